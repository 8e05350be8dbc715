"""Guessing at the second step with a known password: it is stopped, and its owner is told and not
shut out.
"""

from dataclasses import dataclass, field
from datetime import timedelta

import pyotp

from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import NamedActor
from broadcaster.staff.administration import reset_password
from broadcaster.store import accounts, audit
from broadcaster.store.code_guard import COOLING_SECONDS, STOP_AFTER
from broadcaster.store.staff_tables import session
from support.browsing import Answer
from support.sending import table
from support.staff_rows import sign_in_form
from support.staffing import PASSWORD, form_token, hire
from support.telling import PostOffice

SIGN_IN, CODE = "/redaksi/masuk", "/redaksi/masuk/kode"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
WRONG = "000000"


@dataclass(kw_only=True)
class Visitor:
    """A browser at an address, with the cookies that it received."""

    office: PostOffice
    address: str
    cookies: dict[str, str] = field(default_factory=dict)

    async def ask(self, path: str, form: dict[str, str] | None = None) -> Answer:
        """Open a page, or send its form."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {
            "Cookie": cookie,
            "X-Forwarded-For": self.address,
            "Origin": self.office.site.url,
        }
        answer = await self.office.site.ask(
            path, "POST" if form else "GET", data=form, headers=headers
        )
        self.cookies |= answer.cookies
        return answer

    async def enter(self) -> Answer:
        """Send the right password; the session then lacks the second step."""
        cookie, token = await sign_in_form(self.office.site)
        self.cookies |= dict([cookie.split("=", 1)])
        return await self.ask(SIGN_IN, {"csrf": token, "nama": "rina", "sandi": PASSWORD})

    async def type_code(self, code: str) -> Answer:
        """Type a code, after the password and as late as it may come."""
        self.office.pass_time(seconds=20)
        assert (await self.enter()).status == 303
        return await self.ask(CODE, {"csrf": form_token((await self.ask(CODE)).text), "kode": code})


def current_code(office: PostOffice) -> str:
    """Return the code that the phone shows."""
    return pyotp.TOTP(SECRET).at(int(office.site.clock().timestamp()) + 20)


async def hire_secured(office: PostOffice) -> Account:
    """Hire Rina, with a second factor and a mail address."""
    rina = await hire(office.site.app, "rina", "author", email="rina@contoh.example")
    sealed = office.site.app.vault.seal("totp", SECRET)
    digest = office.site.app.vault.lookup("recovery", f"{rina.id}:abcde-fghjk")
    await office.site.app.database.write(accounts.set_totp, rina.id, sealed, [digest])
    return rina


async def guess(office: PostOffice, times: int, start: int = 0) -> list[int]:
    """Type wrong codes, each from another browser at another address; return the statuses."""
    visitors = (
        Visitor(office=office, address=f"198.51.{start + number}.1") for number in range(times)
    )
    return [(await visitor.type_code(WRONG)).status for visitor in visitors]


async def test_ten_wrong_codes_in_a_row_stop_the_second_step_and_tell_its_owner_at_once(
    office: PostOffice,
) -> None:
    await hire_secured(office)
    assert await guess(office, STOP_AFTER) == [401] * (STOP_AFTER - 1) + [429]
    assert table(office.site.app, session) == [], "half sessions are over"
    stranger = Visitor(office=office, address="203.0.113.9")
    answer = await stranger.type_code(current_code(office))
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= COOLING_SECONDS
    assert "Langkah kedua ditutup satu jam" in answer.text
    assert await office.work() == 1
    (letter,) = office.letters("rina")
    assert letter["subject"] == "PERHATIAN, kode masuk Anda ditebak orang"
    assert f"{office.site.url}/redaksi/akun/sandi" in letter["text"]
    acts = await office.site.app.database.read(audit.about, "staff:rina")
    assert [entry.act for entry in acts].count("codes_stopped") == 1


async def test_a_right_code_begins_anew_and_a_recovery_code_counts_as_any_other(
    office: PostOffice,
) -> None:
    await hire_secured(office)
    home = Visitor(office=office, address="203.0.113.9")
    await guess(office, STOP_AFTER - 1)
    assert (await home.type_code(current_code(office))).status == 303
    stranger = [
        (await Visitor(office=office, address=f"192.0.{n}.1").type_code(f"aaaaa-aaaa{n}")).status
        for n in range(STOP_AFTER)
    ]
    assert stranger == [401] * (STOP_AFTER - 1) + [429]
    assert (
        await Visitor(office=office, address="203.0.113.10").type_code("abcde-fghjk")
    ).status == 429


async def test_a_known_browser_keeps_its_way_while_strangers_are_stopped(
    office: PostOffice,
) -> None:
    await hire_secured(office)
    home = Visitor(office=office, address="203.0.113.9")
    assert (await home.type_code(current_code(office))).status == 303
    await guess(office, STOP_AFTER)
    office.pass_time(seconds=60)
    assert (await home.type_code(WRONG)).status == 401
    assert (await home.type_code(current_code(office))).status == 303
    assert (await guess(office, 1, start=100)) == [429], "which opens nothing for strangers"


async def test_after_an_hour_one_more_wrong_code_stops_it_again_and_the_owner_is_told_once_a_day(
    office: PostOffice,
) -> None:
    await hire_secured(office)
    await guess(office, STOP_AFTER)
    for start in (100, 200):
        office.pass_time(seconds=COOLING_SECONDS)
        assert await guess(office, 2, start) == [429, 429]
    await office.work()
    assert len(office.letters("rina")) == 1
    office.pass_time(seconds=COOLING_SECONDS)
    assert (
        await Visitor(office=office, address="203.0.113.9").type_code(current_code(office))
    ).status == 303
    office.pass_time(days=1)
    await guess(office, STOP_AFTER, start=50)
    await office.work()
    assert len(office.letters("rina")) == 2


async def test_a_new_password_from_an_admin_opens_the_second_step_again(office: PostOffice) -> None:
    rina = await hire_secured(office)
    await guess(office, STOP_AFTER)
    hashed = (await office.site.app.database.read(accounts.secrets_of, rina.id))[0]
    await office.site.app.database.write(
        reset_password, NamedActor(name="cli", now=office.site.clock()), rina.id, hashed=hashed
    )
    office.site.clock.now += timedelta(seconds=1)
    assert (
        await Visitor(office=office, address="203.0.113.9").type_code(current_code(office))
    ).status == 303
