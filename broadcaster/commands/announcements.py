"""`preview` and `publish`: preview or publish an announcement from a file."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.commands.addresses import refused_address
from broadcaster.commands.errors import Failed
from broadcaster.commands.output import JSON, print_json
from broadcaster.commands.session import has_database, opened, operator_actor
from broadcaster.domain import front_matter
from broadcaster.domain.rules import CheckedAnnouncement, content_hash, examine
from broadcaster.newsroom.previews import document_parts, message_parts, sample_recipient
from broadcaster.publishing import hold_ups, publications
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.residents import register
from broadcaster.runtime import config, custody
from broadcaster.runtime.i18n import words
from broadcaster.runtime.refusal_words import sentence
from broadcaster.store import announcements, form_acts, tier
from broadcaster.store.recipients import audience_of
from channels.base.contract import Area, Edition, PushChannel, Recipient
from channels.base.moments import WIB, moment_text
from subscribers import consent, residents
from subscribers.areas import AreaTree
from subscribers.audience import Audience

FILE = Annotated[
    str, typer.Argument(help="Markdown dengan front matter YAML; - membaca masukan baku.")
]
AGAIN = Annotated[
    bool,
    typer.Option(
        "--again", help="Terbitkan lagi isi yang sudah diterbitkan dalam 24 jam terakhir."
    ),
]
ASKS_SECONDS = 24 * 3600.0
"""Period in which the same content is published again only on request."""
LANGUAGES = ("id", "en", "su")


def preview(
    file: FILE,
    channel: Annotated[
        str, typer.Option(help="Nama kanal, misalnya email, telegram, feed, display.")
    ],
    lang: Annotated[str, typer.Option(help="Bahasa: id, en atau su.")] = "id",
    to: Annotated[str, typer.Option(help="Alamat penerima; kosong: alamat contoh.")] = "",
    as_json: JSON = False,
) -> None:
    """Tampilkan apa yang akan dikatakan satu kanal; tidak ada yang dikirim atau disimpan."""
    if lang not in LANGUAGES:
        raise Failed(f"Bahasa {lang!r} tidak ada. Yang ada: {', '.join(LANGUAGES)}.")
    _print_parts(asyncio.run(_preview(_text(file), channel, lang, to)), as_json)


async def _preview(text: str, channel: str, lang: str, to: str) -> Mapping[str, str]:
    loaded = config.read()
    push, pull = config.open_channels(loaded)
    if channel not in push and channel not in pull:
        raise Failed(f"Kanal {channel!r} tidak ada. Yang ada: {', '.join(sorted([*push, *pull]))}.")
    address = _address(loaded, channel, to) if to and channel in push else ""
    now = datetime.now(UTC)
    async with opened() if has_database(loaded.settings) else contextlib.nullcontext() as app:
        tree = app.tree if app else AreaTree.built_in()
        topics, ways = loaded.settings.topics, (*push, *pull)
        checked = front_matter.checked(
            text, lambda values: examine(values, tree=tree, topics=topics, channels=ways, now=now)
        )
        edition = publications.preview_edition(
            checked, site=loaded.settings.site, now=now, prefix=loaded.settings.code_prefix
        )
        if channel in pull:
            return document_parts(pull[channel], edition, lang)
        if app:
            areas = app.tree.concerned(area.code for area in edition.areas)
            await _warn_waiting(app, push[channel], _audience(edition, areas))
        known = await _known(app, channel, address) if app and address else None
        return message_parts(
            push[channel], edition, lang, known or sample_recipient(edition, address)
        )


def _audience(edition: Edition, areas: frozenset[str]) -> Audience:
    return Audience(
        areas=areas,
        topic=edition.topic.slug,
        emergency=edition.emergency,
        confirmed_before=edition.published_at.timestamp(),
    )


async def _warn_waiting(app: App, channel: PushChannel, audience: Audience) -> None:
    """Print on standard error how many people must wait for a provider's daily limit, if any."""
    if not channel.tier or not app.loaded.is_open(channel.name):
        return
    need = await app.database.read(tier.need, channel.name, channel.tier, audience)
    if need.waiting:
        numbers = tuple(
            f"{number:,}".replace(",", ".") for number in (need.people, need.room, need.waiting)
        )
        sys.stderr.write(
            "{}: perlu {} orang, tersisa {} hari ini; {} menunggu.\n".format(
                channel.label, *numbers
            )
        )


def _address(loaded: config.Loaded, channel: str, text: str) -> str:
    try:
        return str(loaded.modules[channel].parse_address(text))
    except ValueError as error:
        raise refused_address(error) from error


async def _known(app: App, channel: str, address: str) -> Recipient | None:
    """Return the recipient with this subscribed address; None if it is not subscribed."""
    row = await app.database.read(residents.find, app.vault, channel, address)
    home = app.tree.get(row.home) if row else None
    if row is None or home is None:
        return None
    consented_at = await app.database.read(consent.given_at, row.id)
    await register.note_reading(app, row.id, of="preview", actor=operator_actor(app))
    since = datetime.fromtimestamp(consented_at or row.created_at, WIB).date()
    return Recipient(
        delivery="0.0.1",
        attempt=1,
        address=address,
        area=Area(code=home.code, name=home.name, slug=home.slug),
        since=since,
        token=app.vault.token(row.id),
        address_key=app.vault.key(row.id),
    )


def publish(file: FILE, as_json: JSON = False, again: AGAIN = False) -> None:
    """Terbitkan satu pengumuman; selesai begitu tersimpan aman. Mencetak id, kode, dan
    alamatnya.
    """
    asyncio.run(
        _publish(_text(file), as_json=as_json, again=again, may_ask=file != "-" and not as_json)
    )


async def _publish(text: str, *, as_json: bool, again: bool, may_ask: bool) -> None:
    async with opened() as app:
        press, now = Press.of(app), app.clock()
        checked = front_matter.checked(text, lambda values: press.examine(values, now))
        done = await app.database.write(_publish_once, app, checked, again=again)
        if isinstance(done, EarlierPublication):
            _require_again(done, as_json=as_json, may_ask=may_ask)
            done = await app.database.write(_publish_once, app, checked, again=True)
        if isinstance(done, EarlierPublication):
            raise Failed(done.words)
        await publications.ring(app, done)
        if as_json:
            print_json({"id": done.id, "code": done.code, "status": done.status, "url": done.url})
        else:
            sys.stdout.write(f"id    {done.id}\nkode  {done.code}\nurl   {done.url}\n")
        if done.edition is not None:
            audience = await app.database.read(audience_of, done.edition)
            await _warn_held_up(app, done)
            for name in done.channels:
                await _warn_waiting(app, app.push[name], audience)
        if done.edition is None and (away := await app.database.read(custody.held)) is not None:
            sys.stderr.write(f"{away.sentence} {custody.REMEDY}\n")
        if not app.open_push:
            sys.stderr.write(
                "Belum ada kanal kirim yang disetel: hanya umpan dan layar yang memuatnya. "
                "Lihat broadcaster doctor.\n"
            )


async def _warn_held_up(app: App, done: StoredAnnouncement) -> None:
    """Print on standard error which channels hold it up, until when, and the remedy."""
    emergency = done.lane == "emergency"
    for shut in await app.database.read(
        lambda c: hold_ups.shut(c, app, done.channels, emergency=emergency)
    ):
        warning = "PERHATIAN, darurat tertahan: " if emergency else ""
        sys.stderr.write(f"{warning}{sentence(shut.problem, words('id'))}\n")


@dataclass(frozen=True, kw_only=True)
class EarlierPublication:
    """Publication of the same content by a command within ASKS_SECONDS."""

    id: str
    code: str
    at: datetime

    @property
    def words(self) -> str:
        """Sentence for the operator."""
        return (
            f"Isi yang sama sudah diterbitkan {moment_text(self.at)}, "
            f"kode {self.code}, id {self.id}."
        )


def _publish_once(
    connection: Connection, app: App, checked: CheckedAnnouncement, *, again: bool
) -> StoredAnnouncement | EarlierPublication:
    """Publish unless a command published the same content within ASKS_SECONDS; a transaction."""
    now = app.clock()
    content = f"publish {content_hash(checked.fields, [area.code for area in checked.areas])}"
    if again:
        form_acts.forget(connection, form_acts.COMMAND_LINE, content)
    earlier = form_acts.take(
        connection, form_acts.COMMAND_LINE, content, now.timestamp(), within=ASKS_SECONDS
    )
    row = announcements.find(connection, earlier.result) if earlier is not None else None
    if earlier is not None and row is not None:
        return EarlierPublication(
            id=row.id, code=row.code, at=datetime.fromtimestamp(earlier.at, UTC)
        )
    stored = publications.publish(connection, Press.of(app), checked, actor=operator_actor(app))
    form_acts.keep(connection, form_acts.COMMAND_LINE, content, stored.id)
    return stored


def _require_again(earlier: EarlierPublication, *, as_json: bool, may_ask: bool) -> None:
    """Ask at a terminal for confirmation to publish again. Raises Failed for "no", or if there is
    no terminal.
    """
    if may_ask and sys.stdin.isatty() and sys.stdout.isatty():
        if not typer.confirm(f"{earlier.words} Terbitkan sekali lagi?"):
            raise Failed("Tidak diterbitkan lagi.")
        return
    if as_json:
        at = earlier.at.astimezone(WIB).isoformat(timespec="seconds")
        print_json(
            {"id": earlier.id, "code": earlier.code, "status": "duplicate", "published_at": at}
        )
    raise Failed(f"{earlier.words} Tambahkan --again bila memang harus terbit sekali lagi.")


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Failed(f"Berkas {file} tidak ada. Periksa nama dan foldernya.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(
            f"{file} tidak dapat dibaca. "
            "Beri nama berkas Markdown berformat UTF-8 yang boleh Anda baca."
        ) from error


def _print_parts(parts: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        print_json(dict(parts))
        return
    for name, text in parts.items():
        sys.stdout.write(f"--- {name}\n{text}\n")
