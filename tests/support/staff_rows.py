"""The newsroom's route table for tests: what stands for each name in a path, and how each form is
really sent.

Tests over the table ask for every row of it, so a new row needs a line here where its path has a
new name (SETUPS), and one where it is a form (FORM_CASES). They fail with what is missing.
"""

import base64
import html
import io
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
import pyotp
import pytest
from sqlalchemy import Connection, insert, select

from broadcaster.domain.accounts import Account
from broadcaster.newsroom import corrections, review, templates
from broadcaster.newsroom import drafts as newsroom
from broadcaster.newsroom.desk import Desk
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
"""Whose announcements they are."""
ELSEWHERE: Mapping[str, Mapping[str, Any]] = {
    "agency": {"agencies": ("Dinas Kesehatan",)},
    "area": {"areas": ("32.77.01",)},
}
"""How somebody is bound who does not hold for these announcements."""
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
    """A running site with two colleagues who hold for everything: rina writes, dewi approves; what
    a test asks for is made.
    """

    site: Running
    rina: Account
    dewi: Account
    made: dict[str, str] = field(default_factory=dict)

    async def do(self, who: Account, use_case: Any, *args: Any, **options: Any) -> Any:
        """A use case, other than by a page."""
        app = self.site.app
        return await app.database.write(
            use_case, Desk(press=Press.of(app), account=who, now=app.clock()), *args, **options
        )

    async def row(self, announcement: str) -> Announcement:
        """An announcement as it is stored."""
        found = await self.site.app.database.read(announcements.find, announcement)
        assert found is not None
        return found


async def staged(site: Running) -> Stage:
    """The stage on a fresh site."""
    return Stage(
        site=site,
        rina=await hire(site.app, "rina", "author"),
        dewi=await hire(site.app, "dewi", "approver"),
    )


# --- what can stand there -----------------------------------------------------------------------------


async def drafted(stage: Stage, form: Mapping[str, Any] = FORM) -> str:
    """A draft of rina's."""
    return str((await stage.do(stage.rina, newsroom.save, form)).id)


async def versioned(stage: Stage) -> str:
    """A draft with two versions."""
    announcement = await drafted(stage)
    stage.site.clock.now += timedelta(minutes=11)
    await stage.do(
        stage.rina, newsroom.save, {**FORM, "title": "Judul kedua"}, announcement_id=announcement
    )
    return announcement


async def urgent(stage: Stage) -> str:
    """The draft of an emergency."""
    return await drafted(stage, URGENT)


async def submitted(stage: Stage, form: Mapping[str, Any] = FORM) -> str:
    """An announcement that waits for approval."""
    announcement = await drafted(stage, form)
    await stage.do(stage.rina, review.submit, announcement)
    return announcement


async def approved(stage: Stage, form: Mapping[str, Any] = FORM) -> str:
    """An announcement within its hold, or on the schedule."""
    announcement = await submitted(stage, form)
    row = await stage.row(announcement)
    await stage.do(stage.dewi, review.approve, announcement, seen=row.bound, version=row.version)
    return announcement


async def scheduled(stage: Stage) -> str:
    """An announcement on the schedule."""
    return await approved(stage, {**FORM, "publish_at": "2026-11-25T10:00"})


async def published(stage: Stage) -> str:
    """An announcement that is out; nobody is waiting for it."""
    return (await stage.site.publish(_fields())).id


async def sending(stage: Stage) -> str:
    """A sending that has not begun."""
    await stage.site.subscriber()
    announcement = (await stage.site.publish(_fields(), channels=["email"])).id
    fill(stage.site.app)
    return announcement


async def paused(stage: Stage) -> str:
    """A sending that somebody paused."""
    announcement = await sending(stage)
    await stage.site.app.database.write(ledger.pause, announcement, "Sebentar.")
    return announcement


async def failed(stage: Stage) -> str:
    """A sending that is over, and did not reach everybody."""
    announcement = await sending(stage)
    await drain_all(
        with_channels(
            stage.site.app, FakeChannel(provider=lambda _recipient: Rejected(code="=554"))
        )
    )
    return announcement


async def corrected(stage: Stage) -> str:
    """Something published for which rina proposes a correction."""
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
    """Something published whose correction dewi has approved just now."""
    announcement = await corrected(stage)
    waiting = await stage.site.app.database.read(drafts.proposed, announcement)
    assert waiting is not None
    await stage.do(stage.dewi, corrections.approve, announcement, seen=waiting.bound)
    return announcement


async def email(_stage: Stage) -> str:
    """A channel."""
    return "email"


async def halted(stage: Stage) -> str:
    """A channel that stands still."""
    await stage.site.app.database.write(channels.halt_channel, "email", "535", "manual")
    return "email"


async def holding(stage: Stage) -> str:
    """A channel with an address whose suppression is held."""
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
    """Somebody's account."""
    return str((await hire(stage.site.app, f"rekan-{next(_NUMBERS)}", "author")).id)


async def shut_out(stage: Stage) -> str:
    """An account that is disabled."""
    found = int(await colleague(stage))
    await stage.site.app.database.write(accounts.disable, found, stage.site.clock().timestamp())
    return str(found)


async def secured(stage: Stage) -> str:
    """An account with a second factor."""
    found = await colleague(stage)
    await _secure(stage, int(found))
    return found


async def signed_in_elsewhere(stage: Stage) -> str:
    """An account with a session."""
    account = await hire(stage.site.app, f"rekan-{next(_NUMBERS)}", "author")
    await browser(stage.site, account)
    return str(account.id)


async def other_session(stage: Stage) -> str:
    """A session of rina's in another browser."""
    other = await browser(stage.site, stage.rina)
    found = await stage.site.app.database.read(
        sessions.find, other.cookie, stage.site.clock().timestamp()
    )
    assert found is not None
    return found.id


async def _secure(stage: Stage, account: int) -> None:
    sealed = stage.site.app.vault.seal("totp", "JBSWY3DPEHPK3PXP")
    await stage.site.app.database.write(accounts.set_totp, account, sealed, [b"x" * 16])


async def template(stage: Stage) -> str:
    """A template that everybody may use."""
    made = await stage.do(
        stage.rina, templates.keep, await drafted(stage), f"Penutupan jalan {next(_NUMBERS)}"
    )
    return str(made.id)


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
"""What stands for the last {name} of such a path; the longest beginning of a row's path counts."""


# --- how forms are really sent --------------------------------------------------------------------------


async def nothing(_stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """A form that is one button."""
    return {}


def typed(**fields: Any) -> Callable[[Stage, Mapping[str, str]], Awaitable[Mapping[str, Any]]]:
    """A form with these fields."""

    async def filled_in(_stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
        return fields

    return filled_in


async def judging(stage: Stage, values: Mapping[str, str]) -> Mapping[str, Any]:
    """The form of who approves what was seen."""
    row = await stage.row(values["id"])
    return {"versi": str(row.version), "dilihat": row.bound, "dibaca": "1"}


async def alone(stage: Stage, values: Mapping[str, str]) -> Mapping[str, Any]:
    """The form by which one person publishes what they see."""
    return {"versi": str((await stage.row(values["id"])).version), "alasan": "Sendirian di kantor."}


async def amended(stage: Stage, values: Mapping[str, str]) -> Mapping[str, Any]:
    """The form of a correction whose differences were looked at."""
    rina = await browser(stage.site, stage.rina)
    page = await rina.post(f"/redaksi/pengumuman/{values['id']}/ralat", dict(AMENDED))
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page.text)
    assert seen, page.text
    return {**AMENDED, "seen": seen[1]}


async def proposed(stage: Stage, values: Mapping[str, str]) -> Mapping[str, Any]:
    """The form of who decides on a proposal."""
    waiting = await stage.site.app.database.read(drafts.proposed, values["id"])
    assert waiting is not None
    return {"seen": waiting.bound, "reason": "Belum perlu."}


async def second_factor(stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """The form of rina's that turns her second factor on."""
    page = await (await browser(stage.site, stage.rina)).get("/redaksi/akun/kode")
    secret = re.search(r'class="code secret">([^<]+)<', page.text)
    carried = re.search(r'name="mulai" value="([^"]+)"', page.text)
    assert secret, page.text
    assert carried
    code = pyotp.TOTP(secret[1].replace(" ", "")).at(int(stage.site.clock().timestamp()))
    return {"mulai": html.unescape(carried[1]), "kode": code, "sandi": PASSWORD}


async def no_mail(stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """The form of rina's, who had an address, that takes it away."""
    await stage.site.app.database.write(
        accounts.set_contact, stage.rina.id, "email", "rina@contoh.example"
    )
    return {"kabar": ""}


async def mail_code(stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """The form of rina's that says that mail reaches her."""
    app, at = stage.site.app, stage.site.clock().timestamp()
    asked = VerificationRequest(
        account=stage.rina.id, at=at, code="abcd-efgh", mail="baru@contoh.example"
    )
    sealed = app.vault.seal("new mail", msgspec.json.encode(asked).decode())
    return {"mulai": base64.urlsafe_b64encode(sealed).decode(), "kode": "ABCD efgh"}


async def password_again(stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """The form of rina's, who has a second factor, that asks for the password."""
    await _secure(stage, stage.rina.id)
    return {"sandi": PASSWORD}


async def another_browser(stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """A button of rina's, who is signed in elsewhere too."""
    await other_session(stage)
    return {}


async def chosen(_stage: Stage, _values: Mapping[str, str]) -> Mapping[str, Any]:
    """A picture that was chosen."""
    return {"picture": io.BytesIO(photo())}


@dataclass(frozen=True, kw_only=True)
class FormCase:
    """How a form is really sent, so that it does what it is for.

    `setup`: what stands for the path's last name, where it is not what SETUPS says. `own`: only
    rina, whose it is, may. `stores`: whether anything changes. `across`: why also somebody may who
    holds for another agency or area.
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
"""How each form of the newsroom is sent, by its path."""


# --- the table ----------------------------------------------------------------------------------------


def staff_rows(method: str) -> Sequence[Row]:
    """The newsroom's rows that answer a method."""
    return [row for row in STAFF if method in row.methods]


def form_case_of(row: Row) -> FormCase:
    """How the row's form is sent; fails the test where nobody said so."""
    if row.path not in FORM_CASES:
        pytest.fail(
            f"say in FORM_CASES (tests/support/staff_rows.py) how the form of POST {row.path} is really sent"
        )
    return FORM_CASES[row.path]


async def filled(
    stage: Stage, row: Row, setup: Setup | None = None
) -> tuple[str, Mapping[str, str]]:
    """The row's path with something real for each of its names, and what that is; fails the test
    where nobody said what.
    """
    values: dict[str, str] = {}
    names = re.findall(r"\{(\w+)", row.path)
    for name in names:
        scene = setup if setup is not None and name == names[-1] else _filler(row, name)
        values[name] = await scene(stage)
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: values[found[1]], row.path), values


def _filler(row: Row, name: str) -> Setup:
    found = [
        key
        for key in SETUPS
        if _begins(row.path, key) and re.findall(r"\{(\w+)", key)[-1:] == [name]
    ]
    if not found:
        pytest.fail(
            f"say in SETUPS (tests/support/staff_rows.py) what stands for {{{name}}} in {row.path}"
        )
    return SETUPS[max(found, key=len)]


def _begins(path: str, key: str) -> bool:
    return path == key or path.startswith((f"{key}/", f"{key}."))


# --- what stands in the database ------------------------------------------------------------------------


async def everything(site: Running) -> Mapping[str, Sequence[Any]]:
    """Every row of every table: what must not change where a request is refused."""

    def read(connection: Connection) -> dict[str, Sequence[Any]]:
        return {
            name: sorted(map(repr, connection.execute(select(table)).all()))
            for metadata in (staff_tables.metadata, store.metadata)
            for name, table in metadata.tables.items()
        }

    return await site.app.database.read(read)


def changed(before: Mapping[str, Sequence[Any]], after: Mapping[str, Sequence[Any]]) -> set[str]:
    """Names of the tables that are not what they were."""
    return {name for name in before if before[name] != after[name]}


async def sign_in_form(site: Running) -> tuple[str, str]:
    """The cookie and the token of the sign-in form."""
    page = await site.ask("/redaksi/masuk")
    return "; ".join(f"{key}={value}" for key, value in page.cookies.items()), form_token(page.text)
