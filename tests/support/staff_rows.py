"""Newsroom's route table for tests: an object for each name in a path, and how each form is really
sent.

Tests over the table ask for every row of it, so a new row needs a line here where its path has a
new name (SETUPS), and one where it is a form (FORM_CASES). They fail with what is missing.
"""

import base64
import html
import io
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
import pyotp
import pytest
from sqlalchemy import Connection, insert, select

from broadcaster.domain.accounts import Account
from broadcaster.newsroom import corrections, review, templates
from broadcaster.newsroom.desk import Desk
from broadcaster.newsroom.drafts import save
from broadcaster.publishing.press import Press
from broadcaster.staff.email_verification import VerificationRequest
from broadcaster.store import (
    accounts,
    announcements,
    channels,
    drafts,
    ledger,
    sessions,
    staff_tables,
)
from broadcaster.store.announcements import Announcement
from broadcaster.store.channel_tables import held_suppression
from broadcaster.web.base.authorization import Row
from broadcaster.web.routes import STAFF
from channels.base.contract import Rejected
from subscribers import store
from support.browsing import Running
from support.fakes import FakeChannel
from support.sending import drain_all, fill, with_channels
from support.staffing import PASSWORD, browser, form_token, hire
from support.uploads import photo

AGENCY = "Dinas Perhubungan"
"""Agency of the announcements."""
ELSEWHERE: Mapping[str, Mapping[str, Any]] = {
    "agency": {"agencies": ("Dinas Kesehatan",)},
    "area": {"areas": ("32.77.01",)},
}
"""Bounds of accounts that do not cover these announcements."""
COMPOSED: Mapping[str, Any] = {
    "title": "Jalan ditutup di Cibabat", "body": "Lewat Jalan Sangkuriang sampai pukul dua siang.", "areas": "cibabat",
    "category": "gangguan-layanan", "level": "info", "agency": AGENCY, "expires": "2026-11-25T14:00",
}  # fmt: skip
"""The composer's form as a browser sends it."""
FORM: Mapping[str, Any] = {**COMPOSED, "areas": ["cibabat"]}
URGENT: Mapping[str, Any] = {
    **FORM,
    "level": "emergency",
    "instruction": "Pindah ke tempat tinggi.",
}
AMENDED: Mapping[str, Any] = {
    **COMPOSED,
    "summary": "",
    "instruction": "",
    "title": "Jalan ditutup lebih lama",
    "reason": "Salah.",
}
NEW_PASSWORD = "sepeda hujan meja biru"
_NUMBERS = count(1)
ONE, SENT = "/redaksi/pengumuman/{id}", "/redaksi/pengiriman/{id}"


@dataclass
class Stage:
    """Running site with two colleagues who cover everything: rina writes, dewi approves."""

    site: Running
    rina: Account
    dewi: Account

    async def do(self, who: Account, use_case: Any, *args: Any, **options: Any) -> Any:
        """Run a use case directly, without a page."""
        app = self.site.app
        return await app.database.write(
            use_case, Desk(press=Press.of(app), account=who, now=app.clock()), *args, **options
        )

    async def row(self, announcement: str) -> Announcement:
        """Return an announcement as it is stored."""
        row = await self.site.app.database.read(announcements.find, announcement)
        assert row is not None
        return row


async def staged(site: Running) -> Stage:
    """Hire the two colleagues on a fresh site."""
    return Stage(
        site=site,
        rina=await hire(site.app, "rina", "author"),
        dewi=await hire(site.app, "dewi", "approver"),
    )


# --- objects that a path can name ---------------------------------------------------------------------


async def drafted(stage: Stage, form: Mapping[str, Any] = FORM) -> str:
    """Save a draft of rina's."""
    return str((await stage.do(stage.rina, save, form)).id)


async def versioned(stage: Stage) -> str:
    """Save a draft with two versions."""
    announcement = await drafted(stage)
    stage.site.clock.now += timedelta(minutes=11)
    await stage.do(stage.rina, save, {**FORM, "title": "Judul kedua"}, announcement_id=announcement)
    return announcement


async def urgent(stage: Stage) -> str:
    """Save the draft of an emergency."""
    return await drafted(stage, URGENT)


async def submitted(stage: Stage, form: Mapping[str, Any] = FORM) -> str:
    """Submit an announcement for approval."""
    announcement = await drafted(stage, form)
    await stage.do(stage.rina, review.submit, announcement)
    return announcement


async def approved(stage: Stage, form: Mapping[str, Any] = FORM) -> str:
    """Approve an announcement, which is then on hold or on the schedule."""
    announcement = await submitted(stage, form)
    row = await stage.row(announcement)
    await stage.do(stage.dewi, review.approve, announcement, seen=row.bound, version=row.version)
    return announcement


async def scheduled(stage: Stage) -> str:
    """Approve an announcement for a later time."""
    return await approved(stage, {**FORM, "publish_at": "2026-11-25T10:00"})


async def published(stage: Stage) -> str:
    """Publish an announcement without recipients."""
    return (await stage.site.publish(_fields())).id


async def sending(stage: Stage) -> str:
    """Publish to one subscriber without beginning to send."""
    await stage.site.subscriber()
    announcement = (await stage.site.publish(_fields(), channels=["email"])).id
    fill(stage.site.app)
    return announcement


async def paused(stage: Stage) -> str:
    """Publish and pause the sending."""
    announcement = await sending(stage)
    await stage.site.app.database.write(ledger.pause, announcement, "Sebentar.")
    return announcement


async def failed(stage: Stage) -> str:
    """Publish to a provider that rejects the only recipient."""
    announcement = await sending(stage)
    await drain_all(
        with_channels(
            stage.site.app, FakeChannel(provider=lambda _recipient: Rejected(code="=554"))
        )
    )
    return announcement


async def corrected(stage: Stage) -> str:
    """Publish an announcement and propose a correction as rina."""
    announcement = await published(stage)
    await stage.do(
        stage.rina,
        corrections.propose_correction,
        announcement,
        {**FORM, "title": "Ditutup lama"},
        reason="Salah.",
    )
    return announcement


async def approved_correction(stage: Stage) -> str:
    """Publish an announcement and have dewi approve its correction just now."""
    announcement = await corrected(stage)
    waiting = await stage.site.app.database.read(drafts.proposed, announcement)
    assert waiting is not None
    await stage.do(stage.dewi, corrections.approve, announcement, seen=waiting.bound)
    return announcement


async def email(_stage: Stage) -> str:
    """Return a channel."""
    return "email"


async def halted(stage: Stage) -> str:
    """Halt a channel."""
    await stage.site.app.database.write(channels.halt_channel, "email", "535", "manual")
    return "email"


async def holding(stage: Stage) -> str:
    """Return a channel with an address whose suppression is held."""
    row = {
        "address": await stage.site.subscriber(),
        "channel": "email",
        "reason": "address_dead",
        "at": 1.0,
    }
    await stage.site.app.database.write(
        lambda connection: connection.execute(insert(held_suppression).values(row))
    )
    return "email"


async def colleague(stage: Stage) -> str:
    """Create an account."""
    return str((await hire(stage.site.app, f"rekan-{next(_NUMBERS)}", "author")).id)


async def shut_out(stage: Stage) -> str:
    """Create an account that is disabled."""
    account = int(await colleague(stage))
    await stage.site.app.database.write(accounts.disable, account, stage.site.clock().timestamp())
    return str(account)


async def secured(stage: Stage) -> str:
    """Create an account with a second factor."""
    account = await colleague(stage)
    await _secure(stage, int(account))
    return account


async def signed_in_elsewhere(stage: Stage) -> str:
    """Create an account with a session."""
    account = await hire(stage.site.app, f"rekan-{next(_NUMBERS)}", "author")
    await browser(stage.site, account)
    return str(account.id)


async def other_session(stage: Stage) -> str:
    """Start a session of rina's in another browser."""
    other = await browser(stage.site, stage.rina)
    session = await stage.site.app.database.read(
        sessions.find, other.cookie, stage.site.clock().timestamp()
    )
    assert session is not None
    return session.id


async def _secure(stage: Stage, account: int) -> None:
    sealed = stage.site.app.vault.seal("totp", "JBSWY3DPEHPK3PXP")
    await stage.site.app.database.write(accounts.set_totp, account, sealed, [b"x" * 16])


async def template(stage: Stage) -> str:
    """Save a template that everybody may use."""
    saved = await stage.do(
        stage.rina, templates.keep, await drafted(stage), f"Penutupan jalan {next(_NUMBERS)}"
    )
    return str(saved.id)


def _fields() -> dict[str, Any]:
    return {**FORM, "expires": "2026-11-25 14:00"}


Setup = Callable[[Stage], Awaitable[str]]

SETUPS: Mapping[str, Setup] = {
    ONE: drafted,
    ONE + "/surat/{channel}": email,
    ONE + "/ralat": published,
    ONE + "/cabut": published,
    SENT: sending,
    "/redaksi/kanal/{name}": email,
    "/redaksi/templat/{id}": template,
    "/redaksi/akun/sesi/{id}": other_session,
    "/redaksi/pengguna/{id}": colleague,
}
"""Setup of the last {name} of such a path; the longest beginning of a row's path counts."""


# --- how forms are really sent --------------------------------------------------------------------------


async def nothing(_stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """Return an empty form: it is one button."""
    return {}


def typed(**fields: Any) -> Callable[[Stage, Mapping[str, str]], Awaitable[Mapping[str, Any]]]:
    """Return a form with these fields."""

    async def filled_in(_stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
        return fields

    return filled_in


async def judging(stage: Stage, values: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the form that approves what was seen."""
    row = await stage.row(values["id"])
    return {"versi": str(row.version), "dilihat": row.bound, "dibaca": "1"}


async def alone(stage: Stage, values: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the form by which one person publishes what they see."""
    return {"versi": str((await stage.row(values["id"])).version), "alasan": "Sendirian di kantor."}


async def amended(stage: Stage, values: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the form of a correction whose differences were looked at."""
    rina = await browser(stage.site, stage.rina)
    page = await rina.post(f"/redaksi/pengumuman/{values['id']}/ralat", dict(AMENDED))
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page.text)
    assert seen, page.text
    return {**AMENDED, "seen": seen[1]}


async def proposed(stage: Stage, values: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the form that decides on a proposal."""
    waiting = await stage.site.app.database.read(drafts.proposed, values["id"])
    assert waiting is not None
    return {"seen": waiting.bound, "reason": "Belum perlu."}


async def second_factor(stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the form that turns rina's second factor on."""
    page = await (await browser(stage.site, stage.rina)).get("/redaksi/akun/kode")
    secret = re.search(r'class="code secret">([^<]+)<', page.text)
    carried = re.search(r'name="mulai" value="([^"]+)"', page.text)
    assert secret, page.text
    assert carried
    code = pyotp.TOTP(secret[1].replace(" ", "")).at(int(stage.site.clock().timestamp()))
    return {"mulai": html.unescape(carried[1]), "kode": code, "sandi": PASSWORD}


async def no_mail(stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """Give rina a mail address and return the form that removes it."""
    await stage.site.app.database.write(
        accounts.set_contact, stage.rina.id, "email", "rina@contoh.example"
    )
    return {"kabar": ""}


async def mail_code(stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the form that confirms rina's mail address."""
    app, at = stage.site.app, stage.site.clock().timestamp()
    request = VerificationRequest(
        account=stage.rina.id, at=at, code="abcd-efgh", mail="baru@contoh.example"
    )
    sealed = app.vault.seal("new mail", msgspec.json.encode(request).decode())
    return {"mulai": base64.urlsafe_b64encode(sealed).decode(), "kode": "ABCD efgh"}


async def password_again(stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """Give rina a second factor and return the form that asks for her password."""
    await _secure(stage, stage.rina.id)
    return {"sandi": PASSWORD}


async def another_browser(stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """Sign rina in elsewhere too and return an empty form."""
    await other_session(stage)
    return {}


async def chosen(_stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the form with a chosen picture."""
    return {"picture": io.BytesIO(photo())}


@dataclass(frozen=True, kw_only=True)
class FormCase:
    """Form as a browser really sends it, so that it takes effect.

    `setup`: creates the object of the path's last name, where SETUPS has another. `own`: only rina,
    whose it is, may. `stores`: True if anything changes. `across`: why an account that covers
    another agency or area may, too.
    """

    form: Callable[[Stage, Mapping[str, str]], Awaitable[Mapping[str, Any]]] = nothing
    setup: Setup | None = None
    own: bool = False
    stores: bool = True
    across: str = ""


FORM_CASES: Mapping[str, FormCase] = {
    "/redaksi/masuk": FormCase(form=typed(nama="rina", sandi="lima kata acak sekali")),
    "/redaksi/masuk/kode": FormCase(form=typed(kode="000000")),
    "/redaksi/keluar": FormCase(),
    "/redaksi/tulis": FormCase(form=typed(**COMPOSED)),
    "/redaksi/simpan": FormCase(form=typed(**COMPOSED)),
    "/redaksi/darurat": FormCase(
        form=typed(**{**COMPOSED, "bahaya": "banjir", "instruction": "Pindah ke tempat tinggi."})
    ),
    "/redaksi/pratinjau": FormCase(form=typed(**COMPOSED), stores=False),
    ONE + "/tulis": FormCase(form=typed(**{**COMPOSED, "title": "Judul lain", "versi": "1"})),
    ONE + "/simpan": FormCase(form=typed(**{**COMPOSED, "title": "Judul lain", "versi": "1"})),
    ONE + "/ajukan": FormCase(form=typed(versi="1")),
    ONE + "/setujui": FormCase(form=judging, setup=submitted),
    ONE + "/kembalikan": FormCase(form=typed(alasan="Jam berapa?"), setup=submitted),
    ONE + "/tolak": FormCase(form=typed(alasan="Bukan urusan kita."), setup=submitted),
    ONE + "/terbitkan": FormCase(setup=approved),
    ONE + "/batalkan": FormCase(setup=approved),
    ONE + "/batalkan-jadwal": FormCase(setup=scheduled),
    ONE + "/arsipkan": FormCase(),
    ONE + "/duplikat": FormCase(
        across="a copy is a draft of one's own, and cannot be submitted for another agency"
    ),
    ONE + "/pulihkan": FormCase(form=typed(nomor="1"), setup=versioned),
    ONE + "/darurat": FormCase(form=alone, setup=urgent),
    SENT + "/jeda": FormCase(),
    SENT + "/lanjut": FormCase(setup=paused),
    SENT + "/hentikan": FormCase(),
    SENT + "/coba-lagi": FormCase(setup=failed),
    ONE + "/ralat": FormCase(form=amended),
    ONE + "/cabut": FormCase(form=typed(reason="Batal.")),
    ONE + "/uji": FormCase(across="it goes to the addresses of who asks, who may read it anyway"),
    ONE + "/templat": FormCase(
        form=typed(nama="Templat baru"),
        across="a template is words without times, for every agency",
    ),
    "/redaksi/templat/{id}/pakai": FormCase(across="the draft is one's own"),
    "/redaksi/templat/{id}/ganti-nama": FormCase(
        form=typed(nama="Nama baru"), across="templates are everybody's"
    ),
    "/redaksi/templat/{id}/hapus": FormCase(across="templates are everybody's"),
    "/redaksi/akun/telegram": FormCase(),
    "/redaksi/akun/telegram/lepas": FormCase(),
    "/redaksi/akun/kabar": FormCase(form=no_mail, own=True),
    "/redaksi/akun/kabar/kode": FormCase(form=mail_code, own=True),
    "/redaksi/akun/sandi": FormCase(
        form=typed(lama=PASSWORD, baru=NEW_PASSWORD, ulang=NEW_PASSWORD)
    ),
    "/redaksi/akun/kode": FormCase(form=second_factor, own=True),
    "/redaksi/akun/kode/hapus": FormCase(form=password_again, own=True),
    "/redaksi/akun/kode/pemulihan": FormCase(form=password_again, own=True),
    "/redaksi/akun/sesi/akhiri": FormCase(form=another_browser, own=True),
    "/redaksi/akun/sesi/{id}/akhiri": FormCase(own=True),
    "/redaksi/pengguna/baru": FormCase(
        form=typed(nama="budi", lengkap="Budi Santoso", peran=["author"])
    ),
    "/redaksi/pengguna/{id}": FormCase(form=typed(lengkap="Nama lain", peran=["approver"])),
    "/redaksi/pengguna/{id}/nonaktif": FormCase(),
    "/redaksi/pengguna/{id}/aktif": FormCase(setup=shut_out),
    "/redaksi/pengguna/{id}/sandi": FormCase(),
    "/redaksi/pengguna/{id}/kode": FormCase(setup=secured),
    "/redaksi/pengguna/{id}/sesi": FormCase(setup=signed_in_elsewhere),
    "/redaksi/gambar": FormCase(form=chosen),
    ONE + "/usulan/setujui": FormCase(form=proposed, setup=corrected),
    ONE + "/usulan/batalkan": FormCase(setup=approved_correction),
    ONE + "/usulan/tolak": FormCase(form=proposed, setup=corrected),
    ONE + "/usulan/tarik": FormCase(setup=corrected, own=True),
    "/redaksi/kanal/{name}/lanjut": FormCase(setup=halted),
    "/redaksi/kanal/{name}/tahanan": FormCase(form=typed(putusan="terapkan"), setup=holding),
}
"""Form case of each form of the newsroom, by its path."""


# --- the table ----------------------------------------------------------------------------------------


def staff_rows(method: str) -> Sequence[Row]:
    """Return the newsroom's rows that answer a method."""
    return [row for row in STAFF if method in row.methods]


def form_case_of(row: Row) -> FormCase:
    """Return the form case of a row; fails the test if there is none."""
    if row.path not in FORM_CASES:
        pytest.fail(
            f"say in FORM_CASES (tests/support/staff_rows.py) how the form of POST {row.path} is really sent"
        )
    return FORM_CASES[row.path]


async def filled(
    stage: Stage, row: Row, setup: Setup | None = None
) -> tuple[str, Mapping[str, str]]:
    """Return the row's path with a real object for each of its names, and the objects' ids; fails
    the test if one has no setup.
    """
    values: dict[str, str] = {}
    names = re.findall(r"\{(\w+)", row.path)
    for name in names:
        create = setup if setup is not None and name == names[-1] else _filler(row, name)
        values[name] = await create(stage)
    return re.sub(r"\{(\w+)[^}]*\}", lambda match: values[match[1]], row.path), values


def _filler(row: Row, name: str) -> Setup:
    prefixes = [
        key
        for key in SETUPS
        if _begins(row.path, key) and re.findall(r"\{(\w+)", key)[-1:] == [name]
    ]
    if not prefixes:
        pytest.fail(
            f"say in SETUPS (tests/support/staff_rows.py) what stands for {{{name}}} in {row.path}"
        )
    return SETUPS[max(prefixes, key=len)]


def _begins(path: str, key: str) -> bool:
    return path == key or path.startswith((f"{key}/", f"{key}."))


# --- contents of the database -------------------------------------------------------------------------


async def everything(site: Running) -> Mapping[str, Sequence[Any]]:
    """Return every row of every table: what must not change when a request is refused."""

    def read(connection: Connection) -> dict[str, Sequence[Any]]:
        return {
            name: sorted(map(repr, connection.execute(select(table)).all()))
            for metadata in (staff_tables.metadata, store.metadata)
            for name, table in metadata.tables.items()
        }

    return await site.app.database.read(read)


def changed(before: Mapping[str, Sequence[Any]], after: Mapping[str, Sequence[Any]]) -> set[str]:
    """Return the names of the tables that have changed."""
    return {name for name in before if before[name] != after[name]}


async def sign_in_form(site: Running) -> tuple[str, str]:
    """Return the cookie and the token of the sign-in form."""
    page = await site.ask("/redaksi/masuk")
    return "; ".join(f"{key}={value}" for key, value in page.cookies.items()), form_token(page.text)


def row_name(row: Row) -> str:
    """Return the methods and the path of a row, to name a test's case."""
    return f"{'/'.join(row.methods)} {row.path}"
