"""Front matter: an announcement as a Markdown file with a YAML header. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import yaml

from broadcaster.domain.fields import excerpt
from broadcaster.domain.refusal_codes import FileCode
from broadcaster.domain.refusals import InvalidAnnouncement, Parameter, Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 6
FENCE = "---"
MOST_LINES_LEFT_OUT = 20
"""Most unreadable lines reported at once."""
_NAME = re.compile(r"[ \t]*([\w-]+)[ \t]*:")
T = TypeVar("T")


def parse(text: str) -> dict[str, Any]:
    """Parse the front matter, every scalar as text, with the Markdown below it as `body`; raises
    InvalidAnnouncement.

    The form of a value implies no type: 32.70 stays an area code, "no" a word, 14:00 a time.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _refused(FileCode.FILE_TOO_LARGE, limit=MAX_BYTES // 1024)
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    start = next((number for number, line in enumerate(lines) if line.strip()), None)
    if start is None or lines[start].rstrip() != FENCE:
        raise _refused(FileCode.NO_FRONT_MATTER)
    end = next(
        (number for number in range(start + 1, len(lines)) if lines[number].rstrip() == FENCE), None
    )
    if end is None:
        raise _refused(FileCode.FRONT_MATTER_OPEN)
    values = _mapping("\n".join(lines[start + 1 : end]), start + 2)
    body = "\n".join(lines[end + 1 :]).strip()
    if body and values.get("body"):
        raise InvalidAnnouncement([Problem(field="body", code=FileCode.BODY_TWICE)])
    return {**values, "body": body} if body else values


def checked(text: str, check: Callable[[Mapping[str, Any]], T]) -> T:
    """Apply `check` to the values of the file; raises InvalidAnnouncement with the problems of
    the file and of its values together.
    """
    values, problems, unread = _salvaged(text)
    try:
        result = check(values)
    except InvalidAnnouncement as error:
        reported = {problem.field for problem in problems} | unread
        problems += [
            problem for problem in error.problems if problem.field.split(".")[0] not in reported
        ]
        raise InvalidAnnouncement(problems) from None
    if problems:
        raise InvalidAnnouncement(problems)
    return result


def _salvaged(text: str) -> tuple[dict[str, Any], list[Problem], set[str]]:
    """Parse the file without its unreadable lines; returns the problems of those lines and the
    field names that they begin with.

    Raises InvalidAnnouncement for a file without front matter, or with too many errors.
    """
    problems: list[Problem] = []
    unread: set[str] = set()
    while True:
        try:
            return parse(text), problems, unread
        except InvalidAnnouncement as error:
            problems += error.problems
            lines = text.removeprefix("\ufeff").splitlines()
            number = int(str(error.problems[0].parameters.get("line", 0))) - 1
            if (
                not 0 <= number < len(lines)
                or len(problems) >= MOST_LINES_LEFT_OUT
                or not lines[number].strip("- \t")
            ):
                raise InvalidAnnouncement(problems) from None
            unread |= {name[1] for name in [_NAME.match(lines[number])] if name is not None}
            lines[number] = ""
            text = "\n".join(lines)


class _Unwanted(Exception):
    """Legal YAML that front matter does not allow."""

    def __init__(self, event: yaml.Event, code: FileCode, name: str = "") -> None:
        self.line = event.start_mark.line if event.start_mark else 0
        self.code = code
        self.name = name
        super().__init__(code)


def _mapping(yaml_text: str, first_line: int) -> dict[str, Any]:
    """Parse the mapping in `yaml_text`, whose first line is line `first_line` of the file."""
    try:
        values = _document(yaml.parse(yaml_text, Loader=yaml.SafeLoader))
    except _Unwanted as error:
        line = str(first_line + error.line)
        raise _refused(error.code, line=line, name=error.name) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark is None:
            raise _refused(FileCode.NOT_YAML) from None
        code = FileCode.LINE_TAB if "'\\t'" in str(error.problem) else FileCode.LINE_NOT_YAML
        raise _refused(code, line=str(first_line + mark.line)) from None
    except yaml.YAMLError:  # the reader met a character that YAML does not allow
        raise _refused(FileCode.CONTROL_CHARACTER) from None
    if not isinstance(values, dict):
        raise _refused(FileCode.NOT_PAIRS)
    return values


def _document(events: Iterator[yaml.Event]) -> object:
    """Parse a stream with one document; None for an empty one."""
    value: object = None
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            value = _value(event, events, depth=1)
    return value


def _value(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> object:
    """Parse the value that begins with `event`: text, list or mapping."""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise _Unwanted(event, FileCode.LINE_REFERENCE)
    if getattr(event, "tag", None):
        raise _Unwanted(event, FileCode.LINE_TAG)
    if depth > MAX_DEPTH:
        raise _Unwanted(event, FileCode.LINE_TOO_DEEP)
    if isinstance(event, yaml.ScalarEvent):
        if event.style is None and _is_cut_short(event):
            raise _Unwanted(event, FileCode.LINE_CUT_SHORT)
        return str(event.value)
    if isinstance(event, yaml.SequenceStartEvent):
        return [_value(item, events, depth + 1) for item in _until(yaml.SequenceEndEvent, events)]
    values: dict[str, object] = {}
    for key in _until(yaml.MappingEndEvent, events):
        name = _value(key, events, MAX_DEPTH)
        if not isinstance(name, str):
            raise _Unwanted(key, FileCode.LINE_NAME)
        if name in values:
            raise _Unwanted(key, FileCode.LINE_REPEATED, excerpt(name))
        values[name] = _value(next(events), events, depth + 1)
    return values


def _is_cut_short(event: yaml.ScalarEvent) -> bool:
    """True if YAML cuts an unquoted value short: "Jl. Pesantren #12" would be stored as "Jl.
    Pesantren"; "# 12" is a comment.
    """
    mark = event.end_mark
    rest = (mark.buffer or "")[mark.pointer :] if isinstance(mark, yaml.Mark) else ""
    return bool(event.value) and re.match(r"[ \t]+#\S", rest) is not None


def _until(end: type[yaml.Event], events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for event in events:
        if isinstance(event, end):
            return
        yield event


def _refused(code: FileCode, **parameters: Parameter) -> InvalidAnnouncement:
    return InvalidAnnouncement([Problem(field="", code=code, parameters=parameters)])
