"""Fields of an announcement, the same in front matter and in the API; each invalid one becomes a
Problem. Pure.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from broadcaster.domain.refusal_codes import FieldCode, Hint
from broadcaster.domain.refusals import Code, InvalidAnnouncement, Parameter, Phrase, Problem
from channels.base.contract import SUMMARY_LIMIT, TITLE_LIMIT, Kind, Level
from channels.base.legibility import MARKS_AT_MOST, overloaded
from channels.base.moments import WIB
from channels.base.rendering import clean

BODY_LIMIT = 10_000
"""Longest body, in code points."""
MAX_AREAS = 200
MAX_EVIDENCE = 10
MAX_CHANNELS = 20
DEFAULT_TOPIC = "lainnya"

Verdict = Literal["Hoaks", "Menyesatkan", "Konten lama", "Benar"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


# --- how a value is read ----------------------------------------------------------------------


def _line(value: object) -> object:
    return " ".join(clean(value).split()) if isinstance(value, str) else value


def _prose(value: object) -> object:
    return clean(value).strip() if isinstance(value, str) else value


def _words(value: object) -> object:
    return re.split(r"[,\s]+", value.strip(", \t\n")) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _verdict(value: object) -> object:
    known = {verdict.casefold(): verdict for verdict in VERDICTS}
    return known.get(value.strip().casefold(), value) if isinstance(value, str) else value


_MOMENT = re.compile(
    r"(2[01]\d\d-\d\d-\d\d)[T ](\d\d)[:.](\d\d)(?:[:.](\d\d)(?:\.\d+)?)? ?(Z|WIB|[+-]\d\d:?\d\d)?",
    re.IGNORECASE | re.ASCII,
)


def _moment(value: object) -> datetime:
    """Parse a date with its time of day; without a zone it is WIB. Raises PydanticCustomError."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=WIB)
    match = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _refusal(FieldCode.MOMENT_UNREADABLE)
    day, hour, minute, second, zone = match.groups()
    zone = "+07:00" if zone is None or zone.upper() == "WIB" else zone.upper()
    try:
        return datetime.fromisoformat(f"{day}T{hour}:{minute}:{second or '00'}{zone}")
    except ValueError:
        raise _refusal(FieldCode.NO_SUCH_MOMENT) from None


def _refusal(code: FieldCode) -> PydanticCustomError:
    return PydanticCustomError("rule", "{code}", {"code": code})


# limits stand before the cleaning in each alias: pydantic cleans first, then measures the text
# that will be stored
Title = Annotated[str, Field(min_length=1, max_length=TITLE_LIMIT), BeforeValidator(_line)]
Summary = Annotated[str, Field(max_length=SUMMARY_LIMIT), BeforeValidator(_line)]
Name = Annotated[str, Field(max_length=80), BeforeValidator(_line)]
Sentence = Annotated[str, Field(max_length=300), BeforeValidator(_line)]
Url = Annotated[str, Field(max_length=500), BeforeValidator(_line)]
Body = Annotated[str, Field(min_length=1, max_length=BODY_LIMIT), BeforeValidator(_prose)]
Instruction = Annotated[str, Field(max_length=2_000), BeforeValidator(_prose)]
Fact = Annotated[str, Field(max_length=1_000), BeforeValidator(_prose)]
Digest = Annotated[str, Field(max_length=64)]
Slug = Annotated[str, Field(max_length=60), BeforeValidator(_lower)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Areas = Annotated[
    tuple[Name, ...], Field(min_length=1, max_length=MAX_AREAS), BeforeValidator(_words)
]
Channels = Annotated[tuple[Slug, ...], Field(max_length=MAX_CHANNELS), BeforeValidator(_words)]
Evidence = Annotated[tuple[Url, ...], Field(max_length=MAX_EVIDENCE), BeforeValidator(_words)]
LevelName = Annotated[Level, BeforeValidator(_lower)]
KindName = Annotated[Kind, BeforeValidator(_lower)]
VerdictName = Annotated[Verdict, BeforeValidator(_verdict)]


# --- the model --------------------------------------------------------------------------------


class _FormModel(BaseModel):
    """Base of the models: an empty value counts as absent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {name: value for name, value in values.items() if not _is_empty(value)}


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not clean(value).strip())


class Translation(_FormModel):
    """Texts in another language."""

    title: Title
    summary: Summary | None = None
    body: Body
    instruction: Instruction | None = None


class Override(_FormModel):
    """Indonesian texts for one channel; an absent field falls back to the announcement's own."""

    title: Title | None = None
    summary: Summary | None = None
    body: Body | None = None
    base: Digest | None = Field(None, description="Digest of the words that it was adjusted from.")


class Fields(_FormModel):
    """An announcement as staff and other systems write it: the front matter of a file, or the
    body of an API request.
    """

    title: Title = Field(description="At most 70 code points.")
    body: Body = Field(description="Light Markdown: paragraphs, bold, italic, links, lists.")
    areas: Areas = Field(description="Slugs or codes of areas; `cimahi` is the whole city.")
    summary: Summary | None = Field(
        None, description="At most 90 code points; default: first sentences of the body."
    )
    category: Slug = Field(DEFAULT_TOPIC, description="Slug of a topic.")
    level: LevelName = Field("info", description="`emergency` needs `expires` and `instruction`.")
    kind: KindName | None = Field(None, description="Default: notice; for emergencies alert.")
    channels: Channels = Field((), description="Ways out; default: all that are open.")
    agency: Name | None = Field(None, description="Who is responsible; default: the city.")
    effective: Moment | None = Field(
        None, description="Default: when it is published. Without a zone it is WIB."
    )
    expires: Moment | None = Field(
        None, description="Compulsory for emergencies. Without a zone it is WIB."
    )
    publish_at: Moment | None = Field(
        None, description="When to publish; default: at once. Without a zone it is WIB."
    )
    instruction: Instruction | None = Field(
        None, description="What to do now; compulsory for emergencies. Light Markdown."
    )
    translations: dict[Literal["en", "su"], Translation] = Field(default_factory=dict)
    overrides: dict[Slug, Override] = Field(
        default_factory=dict,
        max_length=MAX_CHANNELS,
        description="Words of single channels, by the channel's name.",
    )
    link: Url | None = Field(None, description="Absolute http(s) address of a page with more.")
    image: Url | None = Field(None, description="Absolute http(s) address of a picture.")
    image_alt: Sentence | None = Field(
        None, description="Text alternative of the picture, compulsory with it."
    )
    claim: Sentence | None = Field(None, description="Clarifications: what is being said.")
    seen_at: Name | None = Field(None, description="Clarifications: where and when it was seen.")
    verdict: VerdictName | None = Field(None, description="Clarifications: the finding.")
    hoax_type: Name | None = Field(None, description="Clarifications: its type.")
    evidence: Evidence = Field(
        (), description="Clarifications: absolute http(s) addresses, at least one."
    )
    fact: Fact | None = Field(None, description="Clarifications: what is true.")

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """Validate a mapping; raises InvalidAnnouncement with every field that is missing,
        unknown or of the wrong shape.
        """
        problems = list(_piled(raw))
        try:
            fields = cls.model_validate(raw)
        except ValidationError as error:
            problems += _problems(error)
        if problems:
            raise InvalidAnnouncement(problems)
        return fields

    def as_json(self) -> str:
        """Serialise the given values as JSON that `restored` parses."""
        return self.model_dump_json(exclude_defaults=True)


_STAND_IN = {"title": "-", "body": "-", "areas": ("-",)}


def read_leniently(raw: Mapping[str, Any]) -> tuple[Fields, list[Problem]]:
    """Validate a mapping, with stand-ins for invalid fields, so that the other rules can still
    be checked; returns the problems too.
    """
    piled = list(_piled(raw))
    try:
        return Fields.model_validate(raw), piled
    except ValidationError as error:
        problems = _problems(error)
    broken = {problem.field.split(".")[0] for problem in problems}
    sound = {
        name: value for name, value in raw.items() if name not in broken and not _is_empty(value)
    }
    return Fields.model_validate({**_STAND_IN, **sound}), problems + piled


def restored(text: str) -> Fields:
    """Parse the JSON of `Fields.as_json`; fields that are invalid under today's rules get a
    stand-in.
    """
    try:
        return Fields.model_validate_json(text)
    except ValidationError:  # stored before a rule existed: its page must still open
        return read_leniently(json.loads(text))[0]


def _piled(value: object, field: str = "") -> Iterator[Problem]:
    """Report each text in which combining marks pile up; cleaning would drop them silently."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _piled(inner, f"{field}.{name}".lstrip("."))
    elif isinstance(value, str) and (problem := piled(field, value)) is not None:
        yield problem


def piled(field: str, text: str) -> Problem | None:
    """Report a text in which a letter bears too many combining marks; names the letter. None if
    there is none.
    """
    letter = next(overloaded(text), None)
    if letter is None:
        return None
    code = FieldCode.PILED_MARKS if letter else FieldCode.PILED_MARKS_ALONE
    return Problem(
        field=excerpt(field), code=code, parameters={"letter": letter, "limit": MARKS_AT_MOST}
    )


AUDITED_FIELDS = ("title", "level", "areas", "agency")
"""Fields whose changes the audit log records; versions hold the other texts."""


def audited_changes(before: Fields, after: Fields) -> dict[str, dict[str, Any]]:
    """Build the audit details of an edit: "before" and "after", each with the AUDITED_FIELDS that
    differ.
    """
    names = [name for name in AUDITED_FIELDS if getattr(before, name) != getattr(after, name)]
    return {
        when: {name: getattr(fields, name) for name in names}
        for when, fields in (("before", before), ("after", after))
    }


# --- errors of pydantic -------------------------------------------------------------------


def _problems(error: ValidationError) -> list[Problem]:
    return [_problem(detail) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails) -> Problem:
    code, parameters = _reason(detail)
    field = ".".join(excerpt(part) for part in detail["loc"])
    return Problem(field=field, code=code, parameters=parameters)


def _reason(detail: ErrorDetails) -> tuple[Code, Mapping[str, Parameter]]:
    """Map a pydantic error to a code and its parameters."""
    context, given, name = detail.get("ctx", {}), detail["input"], str(detail["loc"][-1])
    match detail["type"]:
        case "rule":
            return context["code"], {}
        case "missing" | "string_too_short" | "too_short":
            return FieldCode.MISSING, {"name": name}
        case "extra_forbidden":
            kinds: dict[str, type[_FormModel]] = {
                "translations": Translation,
                "overrides": Override,
            }
            known = kinds.get(str(detail["loc"][0]), Fields)
            hint = did_you_mean(excerpt(name), known.model_fields)
            return FieldCode.UNKNOWN_NAME, {"hint": hint}
        case "string_too_long":
            limit = context["max_length"]
            return FieldCode.TOO_LONG, {"over": len(given) - limit, "limit": limit}
        case "too_long":
            sizes = {"count": context["actual_length"], "limit": context["max_length"]}
            return FieldCode.TOO_MANY, sizes
        case "literal_error":
            choices = re.findall(r"'([^']*)'", context["expected"])
            return FieldCode.UNKNOWN_VALUE, {"value": excerpt(given), "choices": choices}
    hint = Phrase(code=_SHAPES.get(detail["type"], Hint.FILL_TEXT))
    return FieldCode.WRONG_SHAPE, {"hint": hint}


_SHAPES = {
    "tuple_type": Hint.FILL_LIST,
    "dict_type": Hint.FILL_LANGUAGES,
    "model_type": Hint.FILL_WORDS,
}


def excerpt(value: object) -> str:
    """Clean and shorten a given value (60 characters) for quoting in a sentence."""
    return " ".join(clean(str(value)).split())[:60]


def did_you_mean(text: str, known: Iterable[str]) -> Phrase:
    """Suggest the nearest known name, or list them all."""
    known = list(known)
    near = get_close_matches(text.lower(), known, n=1)
    if near:
        return Phrase(code=Hint.DID_YOU_MEAN, parameters={"near": near[0]})
    return Phrase(code=Hint.KNOWN_NAMES, parameters={"names": known})
