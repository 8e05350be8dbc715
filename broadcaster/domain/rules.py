"""Content rules of announcements, and the hash that binds an approval to what was approved.
Pure.
"""

import hashlib
import html
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from broadcaster.domain import placeholders, timing
from broadcaster.domain.fields import (
    VERDICTS,
    Fields,
    Override,
    Translation,
    did_you_mean,
    excerpt,
    read_leniently,
)
from broadcaster.domain.refusal_codes import Hint, RuleCode
from broadcaster.domain.refusals import InvalidAnnouncement, Parameter, Phrase, Problem
from channels.base import hyperlinks
from channels.base.contract import Kind, Topic
from channels.base.legibility import has_letter
from channels.base.rendering import plain
from subscribers.areas import Area, AreaTree

CLARIFICATION_FIELDS = ("claim", "seen_at", "verdict", "hoax_type", "evidence", "fact")


# --- the rules --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedAnnouncement:
    """An announcement that may be published: its fields passed `check`, its names are resolved."""

    fields: Fields
    kind: Kind
    topic: Topic
    areas: tuple[Area, ...]
    """In the order given, without areas that lie within another."""


def check(
    fields: Fields,
    *,
    tree: AreaTree,
    topics: Sequence[Topic],
    channels: Collection[str],
    now: datetime,
    link_hosts: Collection[str] = (),
    since: datetime | None = None,
) -> CheckedAnnouncement:
    """Check the fields against every rule. `channels` are all open ones; `link_hosts` the only
    hosts that links may name, with their subdomains (empty: any); `since` is the beginning of
    the announcement that is being corrected. Raises InvalidAnnouncement with all problems.
    """
    areas, problems = _resolve(fields.areas, tree)
    for rule in (_visible_words, _web_addresses, _kinds, _emergency, _clarification):
        problems += rule(fields)
    problems += _foreign_links(fields, link_hosts)
    problems += placeholders.problems(fields)
    problems += timing.problems(fields, now, alert=_kind_of(fields) == "alert", since=since)
    problems += _unknown_channels(fields, channels)
    topic = next((topic for topic in topics if topic.slug == fields.category), None)
    if topic is None:
        hint = did_you_mean(fields.category, [topic.slug for topic in topics])
        parameters: dict[str, Parameter] = {"name": excerpt(fields.category), "hint": hint}
        problems.append(
            Problem(field="category", code=RuleCode.TOPIC_UNKNOWN, parameters=parameters)
        )
    if problems or topic is None:
        raise InvalidAnnouncement(problems)
    if any(tree.get(name) is None for name in fields.areas):  # store slugs, however written
        fields = fields.model_copy(update={"areas": tuple(area.slug for area in areas)})
    return CheckedAnnouncement(fields=fields, kind=_kind_of(fields), topic=topic, areas=areas)


def examine(
    raw: Mapping[str, Any],
    *,
    tree: AreaTree,
    topics: Sequence[Topic],
    channels: Collection[str],
    now: datetime,
    link_hosts: Collection[str] = (),
    since: datetime | None = None,
) -> CheckedAnnouncement:
    """Apply `Fields.read` and `check` in one, so that the problems of both are reported
    together.
    """
    fields, problems = read_leniently(raw)
    reported = {problem.field.split(".")[0] for problem in problems}
    try:
        checked = check(
            fields,
            tree=tree,
            topics=topics,
            channels=channels,
            now=now,
            link_hosts=link_hosts,
            since=since,
        )
    except InvalidAnnouncement as error:
        problems += [
            problem for problem in error.problems if problem.field.split(".")[0] not in reported
        ]
        raise InvalidAnnouncement(problems) from None
    if problems:
        raise InvalidAnnouncement(problems)
    return checked


def _kind_of(fields: Fields) -> Kind:
    return fields.kind or ("alert" if fields.level == "emergency" else "notice")


def resolve_names(
    fields: Fields, *, tree: AreaTree, topics: Sequence[Topic]
) -> CheckedAnnouncement:
    """Resolve names as far as they are known, without any rule: for a draft, or for what was
    published long ago.

    Unknown areas are omitted, an unknown topic becomes the last one; `areas` may be empty.
    """
    areas_by_code = {area.code: area for area in named_areas(fields.areas, tree)}
    topic = next((topic for topic in topics if topic.slug == fields.category), topics[-1])
    return CheckedAnnouncement(
        fields=fields, kind=_kind_of(fields), topic=topic, areas=_outermost(areas_by_code)
    )


def _outermost(areas_by_code: Mapping[str, Area]) -> tuple[Area, ...]:
    """Areas by code, without those that lie within another."""
    return tuple(
        area
        for area in areas_by_code.values()
        if not any(area.code.startswith(f"{code}.") for code in areas_by_code)
    )


def _written(fields: Fields) -> Iterator[tuple[str, Fields | Translation | Override]]:
    """Yield every set of texts, with the prefix of its field names."""
    yield from _wordings(fields)
    for channel, override in fields.overrides.items():
        yield f"overrides.{channel}.", override


def _wordings(fields: Fields) -> Iterator[tuple[str, Fields | Translation]]:
    yield "", fields
    for lang, translation in fields.translations.items():
        yield f"translations.{lang}.", translation


def named_areas(names: Sequence[str], tree: AreaTree) -> tuple[Area, ...]:
    """Resolve names to areas where the match is certain, as for residents' own words; one name
    may mean several areas.
    """
    areas = [area for name in names for area in _certain(name, tree)]
    whole = (
        _certain(" ".join(names), tree) if any(not _certain(name, tree) for name in names) else ()
    )
    return whole or tuple(areas)


def _certain(name: str, tree: AreaTree) -> tuple[Area, ...]:
    exact = tree.get(name.strip().lower())
    if exact is not None:
        return (exact,)
    match = tree.match(name)
    return match.areas if match.certain else ()


def _resolve(names: Sequence[str], tree: AreaTree) -> tuple[tuple[Area, ...], list[Problem]]:
    areas_by_code = {area.code: area for area in named_areas(names, tree)}
    problems: list[Problem] = []
    for name in names if not _certain(" ".join(names), tree) else ():
        if not _certain(name, tree):
            near = tuple(area.slug for area in tree.match(name).areas[:3])
            hint = did_you_mean(name, near) if near else Phrase(code=Hint.SEE_AREAS)
            parameters: dict[str, Parameter] = {"name": excerpt(name), "hint": hint}
            problems.append(
                Problem(field="areas", code=RuleCode.AREA_UNKNOWN, parameters=parameters)
            )
    return _outermost(areas_by_code), problems


def _visible_words(fields: Fields) -> Iterator[Problem]:
    """Report each text without any visible letter: only signs, marks, or invisible characters."""
    texts = {
        prefix + name: getattr(words, name, None)
        for prefix, words in _written(fields)
        for name in _LINKING
    }
    texts |= {name: getattr(fields, name) for name in _LINKING_ONCE}
    for field, text in texts.items():
        if text is not None and not has_letter(
            html.unescape(plain(text)) if field.rpartition(".")[2] in _MARKDOWN else text
        ):
            yield Problem(field=field, code=RuleCode.NO_LETTERS)


_WEB_ADDRESS = re.compile(
    r"https?://[a-z0-9.\-\[\]:]+(?:[/?#][a-z0-9!#$%&'()*+,\-./:;=?@\[\]_~]*)?",
    re.IGNORECASE | re.ASCII,
)


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return _WEB_ADDRESS.fullmatch(text) is not None and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, a broken IPv6 address
        return False


def _web_addresses(fields: Fields) -> Iterator[Problem]:
    for name, text in (
        ("link", fields.link),
        ("image", fields.image),
        *(("evidence", text) for text in fields.evidence),
    ):
        if text is not None and not _is_web_address(text):
            address = {"address": excerpt(text)}
            yield Problem(field=name, code=RuleCode.NOT_WEB_ADDRESS, parameters=address)
    if fields.image and not fields.image_alt:
        yield Problem(field="image_alt", code=RuleCode.IMAGE_ALT_MISSING)
    if fields.image_alt and not fields.image:
        yield Problem(field="image", code=RuleCode.IMAGE_MISSING)


_LINKING = ("title", "summary", "body", "instruction")
"""Fields of every wording that may contain a link."""
_LINKING_ONCE = ("agency", "image_alt", "seen_at", "hoax_type", "claim", "fact")
"""Fields that an announcement has once."""
_MARKDOWN = ("body", "instruction", "fact")


def _foreign_links(fields: Fields, hosts: Collection[str]) -> Iterator[Problem]:
    """Report links to hosts that the city does not list; evidence is exempt, as it naturally
    lies elsewhere.
    """
    if not hosts:
        return
    linked = {name: {hyperlinks.host_of(getattr(fields, name) or "")} for name in ("link", "image")}
    linked |= {
        name: set(hyperlinks.hosts_in(getattr(fields, name) or "")) for name in _LINKING_ONCE
    }
    for prefix, words in _written(fields):
        linked |= {
            prefix + name: hyperlinks.in_markdown(getattr(words, name, "") or "")
            for name in _LINKING
        }
    for field, names in linked.items():
        yield from foreign_links(field, names, hosts)


def foreign_links(field: str, names: Collection[str], hosts: Collection[str]) -> Iterator[Problem]:
    """Report each linked host that is not one of `hosts`; empty `hosts` allow every host."""
    for host in sorted(set(names) - {""}):
        if hosts and not hyperlinks.within(host, hosts):
            code = RuleCode.CLAIM_LINKED if field == "claim" else RuleCode.LINK_NOT_ALLOWED
            parameters: dict[str, Parameter] = {"host": excerpt(host), "hosts": sorted(hosts)}
            yield Problem(field=field, code=code, parameters=parameters)


def _unknown_channels(fields: Fields, channels: Collection[str]) -> Iterator[Problem]:
    for field, names in (("channels", fields.channels), ("overrides", tuple(fields.overrides))):
        for name in names:
            if name not in channels:
                hint = did_you_mean(name, sorted(channels))
                parameters: dict[str, Parameter] = {"name": excerpt(name), "hint": hint}
                yield Problem(field=field, code=RuleCode.CHANNEL_UNKNOWN, parameters=parameters)


def _kinds(fields: Fields) -> Iterator[Problem]:
    if fields.level == "emergency" and fields.kind not in (None, "alert"):
        yield Problem(field="kind", code=RuleCode.EMERGENCY_KIND)
    given = [name for name in CLARIFICATION_FIELDS if getattr(fields, name)]
    if given and _kind_of(fields) != "clarification":
        names = {"names": given}
        yield Problem(field=given[0], code=RuleCode.CLARIFICATION_ONLY, parameters=names)


def _emergency(fields: Fields) -> Iterator[Problem]:
    if fields.level != "emergency":
        return
    if fields.expires is None:
        yield Problem(field="expires", code=RuleCode.EXPIRES_MISSING)
    for prefix, words in _wordings(fields):
        if not words.instruction:
            yield Problem(field=f"{prefix}instruction", code=RuleCode.INSTRUCTION_MISSING)


_CLARIFICATION_CODES = {
    "claim": RuleCode.CLAIM_MISSING,
    "verdict": RuleCode.VERDICT_MISSING,
    "fact": RuleCode.FACT_MISSING,
    "evidence": RuleCode.EVIDENCE_MISSING,
}


def _clarification(fields: Fields) -> Iterator[Problem]:
    for name, code in _CLARIFICATION_CODES.items():
        if fields.kind == "clarification" and not getattr(fields, name):
            parameters = {"choices": VERDICTS} if name == "verdict" else {}
            yield Problem(field=name, code=code, parameters=parameters)


def content_hash(fields: Fields, areas: Iterable[str]) -> str:
    """Hash what an approval is bound to: SHA-256 (hex) over every field and the codes of the
    areas, in any order.
    """
    bound = {"fields": fields.model_dump(mode="json"), "areas": sorted(set(areas))}
    return hashlib.sha256(msgspec.json.encode(bound, order="sorted")).hexdigest()


def approval_hash(checked: CheckedAnnouncement) -> str:
    """Hash what an approval is bound to: content and audience, without the time of publication
    (which may be missed or withdrawn).
    """
    timeless = checked.fields.model_copy(update={"publish_at": None})
    return content_hash(timeless, [area.code for area in checked.areas])
