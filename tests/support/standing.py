"""Announcements published, corrected and withdrawn one after the other, and what phones, feeds and
screens must show of them.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select

from broadcaster.app import App
from broadcaster.delivery.sending_state import RenderCache
from broadcaster.domain.actor import NamedActor
from broadcaster.publishing import corrections, publications
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.simulation.providers import Providers
from broadcaster.store import slices
from broadcaster.store.tables import run
from support import inboxes
from support.own_words import PUSH, Fields, Writer, found_in, picture_id, word, words_of
from support.sending import everything_due, forget_leases, unfinished
from support.world import deliverer

ROUNDS = 60
"""Restarts that workers may need until everything is sent."""
CODE = re.compile(r"CMH-[0-9A-Z]{4}-[0-9A-Z]{2}")
MARKED = re.compile("DIRALAT|CORRECTED|RALAT|CORRECTION", re.IGNORECASE)
REPLACED = re.compile(
    r"pesan ini tidak berlaku lagi\. Baca pesan baru|this message no longer hold\. Read the new message",
    re.IGNORECASE,
)
"""Caption of an old photo whose words stand in another message; a withdrawal itself says that it no
longer holds, too.
"""
WITHDRAWN = re.compile("DICABUT|WITHDRAWN", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Resident:
    """Address, the area it follows and the language it reads."""

    channel: str
    address: str
    area: str
    lang: str


@dataclass(frozen=True, kw_only=True)
class City:
    """Program, its stand-ins and its residents; `renders` outlives restarted workers."""

    app: App
    providers: Providers
    residents: Sequence[Resident]
    renders: RenderCache

    def received(self, resident: Resident) -> list[dict[str, str]]:
        """Return the messages of a resident as they stand now, oldest first, by part."""
        if resident.channel != "telegram":
            return inboxes.messages(self.providers, resident.channel, resident.address)
        return [
            {**message.parts, "shown": message.text, "photo": message.photo}
            for message in self.providers.bot.inbox(int(resident.address))
        ]

    async def send_everything(self) -> None:
        """Restart workers, as if time had passed, until nothing is open."""
        open_runs = select(run.c.edition).where(run.c.finished_at.is_(None)).limit(1)
        for round_ in range(ROUNDS):
            if self.app.database.read_now(lambda c: c.execute(open_runs).first()) is None:
                return
            everything_due(self.app)
            engine = deliverer(self.app)
            engine.state = replace(engine.state, renders=self.renders)
            busy = self.app.database.read_now(slices.busy_lanes)
            await asyncio.gather(
                *(engine.drain(channel, lane, seconds=5) for channel, lane in busy)
            )
            engine.stop()
            await engine.settle()
            forget_leases(self.app)  # of a run whose filling was cut short
            if round_ > ROUNDS // 2 and not self.app.database.sqlite:
                # as the sweeper of a worker does: on PostgreSQL this is seldom needed
                self.app.database.write_now(slices.finish_idle)
        raise AssertionError(f"the work has no end: {unfinished(self.app)}")


@dataclass(kw_only=True)
class Story:
    """Announcement under test: its editions' fields (None: withdrawn), and whom each push channel
    reached with which editions.
    """

    number: int
    stored: StoredAnnouncement
    editions: list[Fields | None] = field(default_factory=list)
    channels: frozenset[str] = frozenset()
    """Channels that it named so far; empty: all."""
    went: set[str] = field(default_factory=set)
    waiting: set[Resident] = field(default_factory=set)
    """Residents whom the newest edition will reach, once it is sent."""
    reached: dict[Resident, list[int]] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)
    """Codes of the areas that an edition concerned."""

    @property
    def withdrawn(self) -> bool:
        """True if it was withdrawn."""
        return self.editions[-1] is None

    @property
    def newest(self) -> int:
        """Number of the newest edition."""
        return len(self.editions)

    @property
    def fields(self) -> Fields:
        """Fields in force, or those withdrawn."""
        return next(each for each in reversed(self.editions) if each is not None)

    def goes(self, channel: str) -> bool:
        """True if the channel shows it."""
        return not self.channels or channel in self.channels

    def former_words(self) -> set[str]:
        """Return the words that may stand nowhere any more."""
        return set().union(*(words_of(self.number, edition) for edition in range(1, self.newest)))

    def truth(self, channel: str, lang: str) -> str:
        """Return a word that must be read now."""
        if self.withdrawn:
            return word("alasan", self.number, self.newest)
        if lang in self.fields.get("translations", {}):
            return word("title", self.number, self.newest)
        own = channel in self.fields.get("overrides", {})
        return word("sendiri" if own else "judul", self.number, self.newest)


class Chronicle:
    """Publishes, corrects and withdraws, and remembers what must follow."""

    def __init__(self, city: City, writer: Writer) -> None:
        self.city, self.writer = city, writer
        self.stories: list[Story] = []

    def publish(self) -> None:
        """Publish the next announcement."""
        number = len(self.stories)
        fields = self.writer.original(number)
        story = Story(number=number, stored=self._do(publications.publish, fields))
        story.channels = frozenset(fields.get("channels", ()))
        self.stories.append(story)
        self._follows(story, fields)

    def correct(self, story: Story) -> None:
        """Publish the next edition of an announcement."""
        fields = self.writer.correction(story.number, story.newest + 1, story.fields)
        reason = f"Salah {word('alasan', story.number, story.newest + 1)}, 2~3 m & *808#"
        self._do(corrections.correct, fields, story.stored.id, reason=reason)
        channels = frozenset(fields.get("channels", ()))
        story.channels = story.channels | channels if story.channels and channels else frozenset()
        self._follows(story, fields)

    def withdraw(self, story: Story) -> None:
        """Withdraw an announcement."""
        reason = f"Batal {word('alasan', story.number, story.newest + 1)} <b> & *808#."
        press = Press.of(self.city.app)
        self.city.app.database.write_now(
            corrections.withdraw,
            press,
            story.stored.id,
            reason=reason,
            actor=NamedActor(name="t", now=self.city.app.clock()),
        )
        self._follows(story, None)

    def sent(self) -> None:
        """Record that the residents who waited were reached."""
        for story in self.stories:
            for resident in story.waiting:
                story.reached.setdefault(resident, []).append(story.newest)
            story.waiting = set()

    def _do(
        self, act: Callable[..., StoredAnnouncement], fields: Fields, *args: Any, **more: Any
    ) -> StoredAnnouncement:
        app = self.city.app
        press = Press.of(app)
        checked = press.examine(fields, app.clock())
        actor = NamedActor(name="t", now=app.clock())
        return app.database.write_now(
            lambda connection: act(connection, press, *args, checked, **more, actor=actor)
        )

    def _follows(self, story: Story, fields: Fields | None) -> None:
        story.editions.append(fields)
        story.waiting = set(story.reached)
        if fields is None:
            return
        story.went |= {name for name in PUSH if story.goes(name)}
        places = self.concerned(fields)
        story.places |= places
        tree = self.city.app.tree
        story.waiting |= {
            each
            for each in self.city.residents
            if each.channel in story.went and tree[each.area].code in places
        }

    def former_words(self) -> set[str]:
        """Return the words that may stand nowhere any more."""
        return set().union(*(story.former_words() for story in self.stories))

    def concerned(self, fields: Fields) -> set[str]:
        """Return the codes of the areas that an edition concerns."""
        tree = self.city.app.tree
        return set(tree.concerned(tree[slug].code for slug in fields["areas"]))


# --- phones and inboxes -----------------------------------------------------------------------------


def wrong_on_phones(chronicle: Chronicle) -> Iterator[str]:
    """Yield what a phone or inbox shows wrongly or fails to show."""
    for resident in chronicle.city.residents:
        received: dict[str, list[dict[str, str]]] = {}
        for parts in chronicle.city.received(resident):
            for code in set(CODE.findall(str(parts))):
                received.setdefault(code, []).append(parts)
        for story in chronicle.stories:
            mine = received.get(story.stored.code, [])
            check = _on_chat if resident.channel == "telegram" else _in_inbox
            for fault in check(resident, story, mine):
                yield f"{resident.channel} {resident.address} {resident.lang}: {story.number} ({story.stored.code}): {fault}"


def _in_inbox(
    resident: Resident, story: Story, received: Sequence[dict[str, str]]
) -> Iterator[str]:
    """Check an inbox, in which messages stay: each edition once, in order, and the last one is the
    newest and says that it corrects.
    """
    editions = story.reached.get(resident, [])
    if len(received) != len(editions):
        yield f"{len(received)} messages for editions {editions}"
        return
    if not editions:
        return
    last = _words(received[-1])
    if story.truth(resident.channel, resident.lang) not in last:
        yield "the last message is not the newest"
    if len(editions) > 1 and not (WITHDRAWN if story.withdrawn else MARKED).search(
        _head(received[-1])
    ):
        yield "the last message does not say that it corrects"
    yield from (f"{old!r} in the last message" for old in story.former_words() & found_in(last))


def _on_chat(resident: Resident, story: Story, received: Sequence[dict[str, str]]) -> Iterator[str]:
    """Check a chat, in which messages are edited: only the newest words stand; what could not be
    deleted is marked.
    """
    if bool(received) != bool(story.reached.get(resident)):
        yield f"{len(received)} messages for editions {story.reached.get(resident)}"
    for parts in received:
        text = _words({name: value for name, value in parts.items() if name != "photo"})
        yield from (f"{old!r} stands" for old in story.former_words() & found_in(text))
        replaced = REPLACED.search(text) is not None
        own = picture_id(story.number, story.newest)
        if (parts["photo"] and own not in parts["photo"] and not replaced) or (
            own in parts["photo"] and story.withdrawn
        ):
            yield "a former picture stands"
        if not replaced and story.truth(resident.channel, resident.lang) not in text:
            yield "a message that is not the newest"
        if story.newest > 1 and not (WITHDRAWN if story.withdrawn else MARKED).search(
            parts["shown"][:60]
        ):
            yield "it does not say that it corrects"
    if received and all(REPLACED.search(str(parts)) for parts in received):
        yield "the newest words do not stand"


def _words(parts: dict[str, str]) -> str:
    return " ".join(parts.values()).lower()


def _head(parts: dict[str, str]) -> str:
    return parts.get("subject") or parts.get("parameter.judul", "")


# --- feeds and screens ------------------------------------------------------------------------------


def wrong_entry(story: Story, title: str) -> Iterator[str]:
    """Yield what is wrong with the title of its entry in a feed."""
    mark = "[DICABUT]" if story.withdrawn else "[RALAT]" if story.newest > 1 else ""
    if mark and mark not in title:
        yield f"{title!r} lacks {mark}"
    if not story.withdrawn and story.truth("feed", "id") not in title:
        yield f"{title!r} is not the newest"


def wrong_item(story: Story, item: dict[str, Any], *, here: bool) -> Iterator[str]:
    """Yield what is wrong with the announcement on a screen; `here`: its newest edition concerns the area."""
    if story.withdrawn:
        yield "withdrawn and shown"
        return
    if item["number"] != story.newest or story.truth("display", "id") not in item["title"]:
        yield "not the newest"
    if item["change"] != ("correction" if story.newest > 1 else "original"):
        yield f"change is {item['change']}"
    takes_over = item["level"] == "emergency"
    if takes_over != (here and story.fields["level"] == "emergency"):
        yield f"takes the screen over: {takes_over}"
