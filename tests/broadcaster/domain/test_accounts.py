"""Accounts: roles, rights, agencies and areas, passwords, one-time codes; and their rows."""

from dataclasses import replace
from datetime import UTC, datetime

import pyotp
import pytest

from broadcaster.domain import credentials
from broadcaster.domain.accounts import BadAccount, read_name
from broadcaster.store import accounts, sessions, sign_in_throttle
from broadcaster.store.accounts import LastAdmin
from broadcaster.store.database import Database
from support.staffing import person
from support.wording import refuses

AT = 1_764_030_000.0
NOW = datetime.fromtimestamp(AT, UTC)


def test_a_role_gives_its_rights_and_no_other() -> None:
    author, approver, admin = (
        person("rina", "author"),
        person("dewi", "approver"),
        person("ani", "admin"),
    )
    assert author.may("write")
    assert not author.may("approve")
    assert approver.may("approve")
    assert not approver.may("write")
    assert admin.may("manage")
    assert not admin.may("write")
    assert not admin.may("approve")
    assert not person("eks", "admin", disabled_at=AT).may("read")


def test_who_holds_for_some_agencies_and_areas_holds_for_nothing_else() -> None:
    of_all, of_few = (
        person("rina"),
        person("budi", agencies=("Perumda Tirta",), areas=("32.77.03",)),
    )
    assert of_all.covers("BPBD", ["32.77"])
    assert of_few.covers("Perumda Tirta", ["32.77.03.1002", "32.77.03"])
    assert not of_few.covers("BPBD", ["32.77.03.1002"])
    assert not of_few.covers("Perumda Tirta", ["32.77.03.1002", "32.77.01.1001"])
    assert not of_few.covers("Perumda Tirta", ["32.77"])
    assert not of_few.covers("Perumda Tirta", ["32.77.031"]), "a code that merely begins alike"


@pytest.mark.parametrize(
    "password",
    [
        "pendek",
        "cimahi-1234567",
        "password123456",
        "aaaaaaaaaaaa",
        "1234567890123",
        "x" * 201,
        "rina-rina--12",
    ],
)
def test_a_password_that_is_short_long_or_guessed_at_once_is_refused(password: str) -> None:
    with pytest.raises(BadAccount):
        credentials.check_password(password, names=["rinarina"])


@pytest.mark.parametrize(
    "password",
    [
        "Passw0rd123", "KotaCimahi1", "qwertyuiop", "P@ssw0rd2026", "Cimahi2026!", "Cibeber2026", "pasirkaliki26",
        "CigugurTengah1", "Bismillah123", "1qaz2wsx3edc", "asdfghjkl;",
        "Persib1933!", "SelamatPagi1", "pemerintah kota cimahi", "k0t4 c1m4h1", "abcdefghij", "20261125000", "Pemkot-2026",
        "password password", "rinaaminah1", "Perhubungan2026", "zaq12wsxcde3", "Kelurahan#123", "adminadmin1", "Januari2026!",
    ],
)  # fmt: skip
def test_a_password_that_others_would_try_first_is_refused(password: str) -> None:
    with pytest.raises(BadAccount, match="password_guessable"):
        credentials.check_password(password, names=["rina", "Rina Aminah", "Dinas Perhubungan"])


@pytest.mark.parametrize(
    "password",
    [
        "lima kata acak sekali",
        "kopi é susu pagi",
        "8f2k-m39x-qwpz",
        "anjing biru",
        "sandi-baru-99",
        "Z" + "q7!x" * 40,
        "t4nam-cabai",
    ],
)
def test_a_password_of_ones_own_is_taken(password: str) -> None:
    assert credentials.check_password(password, names=["rina"]) == password


def test_a_password_that_we_make_is_never_guessable() -> None:
    assert all(credentials.check_password(credentials.new_password()) for _ in range(20))


def test_a_password_fits_however_its_accents_are_typed() -> None:
    stored = credentials.hash_password("kopi é susu pagi")
    assert stored.startswith("$argon2id$")
    assert credentials.password_fits(stored, "kopi é susu pagi")
    assert not credentials.password_fits(stored, "kopi e susu pagi")
    assert not credentials.password_fits("", "kopi")
    assert not credentials.password_fits("rusak", "kopi")


@pytest.mark.parametrize(
    ("text", "name"), [(" Rina ", "rina"), ("Ｄewi", "dewi"), ("a.b-c_d@e", "a.b-c_d@e")]
)
def test_a_sign_in_name_has_one_spelling(text: str, name: str) -> None:
    assert read_name(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "  ", "dua kata", "<b>", "x" * 41, "rіna", "siti-é", "ｒіna", "李", "ri\u200bna", "rına"],
)
def test_what_is_no_sign_in_name_is_refused(text: str) -> None:
    with pytest.raises(BadAccount):
        read_name(text)


def test_a_one_time_code_serves_once_and_not_for_long() -> None:
    secret = credentials.new_totp_secret()
    code, step = pyotp.TOTP(secret).at(int(AT)), int(AT) // 30
    assert credentials.totp_step(secret, f"{code[:3]} {code[3:]}", NOW, last=0) == step
    assert credentials.totp_step(secret, code, NOW, last=step) is None
    assert (
        credentials.totp_step(secret, pyotp.TOTP(secret).at(int(AT) - 30), NOW, last=0) == step - 1
    )
    assert credentials.totp_step(secret, pyotp.TOTP(secret).at(int(AT) - 90), NOW, last=0) is None
    assert credentials.totp_step(secret, "bukan kode", NOW, last=0) is None


def test_recovery_codes_differ_and_may_be_typed_loosely() -> None:
    codes = credentials.new_recovery_codes()
    assert len(set(codes)) == credentials.RECOVERY_CODES
    assert credentials.read_recovery_code(codes[0].upper().replace("-", " ")) == codes[0]


# --- rows ---------------------------------------------------------------------------------------------


def test_an_account_is_stored_and_found(database: Database) -> None:
    unsaved = person(
        "rina",
        "author",
        "screens",
        agencies=("Dinas PUPR", "BPBD"),
        areas=("32.77.03",),
        email="r@contoh.example",
    )
    stored = database.write_now(accounts.add, unsaved, password="$x", at=AT)
    account = database.read_now(accounts.find, "rina")
    assert account == stored
    assert (account.roles, account.agencies, account.areas, account.local, account.secured) == (
        ("author", "screens"),
        ("Dinas PUPR", "BPBD"),
        ("32.77.03",),
        True,
        False,
    )
    with refuses(BadAccount, match="sudah ada"):
        database.write_now(accounts.add, unsaved, at=AT)


def test_the_last_pengelola_cannot_leave(database: Database) -> None:
    first = database.write_now(accounts.add, person("ani", "admin"), at=AT)
    with pytest.raises(LastAdmin):
        database.write_now(accounts.disable, first.id, AT)
    second = database.write_now(accounts.add, person("beni", "admin", "author"), at=AT)
    database.write_now(accounts.disable, first.id, AT)
    with pytest.raises(LastAdmin):
        database.write_now(
            accounts.change,
            replace(second, roles=("author",)),
        )
    database.write_now(accounts.enable, first.id)
    database.write_now(accounts.disable, second.id, AT)


def test_a_second_factor_and_its_recovery_codes_serve_once(database: Database) -> None:
    rina = database.write_now(accounts.add, person("rina"), at=AT)
    database.write_now(accounts.set_totp, rina.id, b"sealed", [b"one", b"two"], step=5)
    assert database.read_now(accounts.secrets_of, rina.id) == ("", b"sealed", 5)
    assert not database.write_now(accounts.use_totp_step, rina.id, 5)
    assert database.write_now(accounts.use_totp_step, rina.id, 6)
    assert database.write_now(accounts.use_recovery_code, rina.id, b"one", AT)
    assert not database.write_now(accounts.use_recovery_code, rina.id, b"one", AT)
    assert database.read_now(accounts.recovery_codes_left, rina.id) == 1
    database.write_now(accounts.set_totp, rina.id, None, [])
    assert database.read_now(accounts.recovery_codes_left, rina.id) == 0


def test_a_session_ends_unused_old_or_revoked(database: Database) -> None:
    rina = database.write_now(accounts.add, person("rina"), at=AT)

    def start(at: float) -> str:
        return database.write_now(
            sessions.start, rina.id, way="password", agent="uji", place="127.0.0.1", at=at
        )

    cookie = start(AT)
    session = database.read_now(sessions.find, cookie, AT + 1)
    assert session is not None
    assert session.account.name == "rina"
    assert database.read_now(sessions.find, cookie + "x", AT + 1) is None
    assert database.read_now(sessions.find, cookie, AT + sessions.IDLE_SECONDS + 1) is None
    for hour in range(1, 12):
        database.write_now(sessions.mark, session.id, AT + hour * 3600)
    assert database.read_now(sessions.find, cookie, AT + sessions.OLDEST_SECONDS - 1) is not None
    assert database.read_now(sessions.find, cookie, AT + sessions.OLDEST_SECONDS + 1) is None
    other = start(AT)
    assert database.write_now(sessions.end_all, rina.id, but=session.id) == 1
    assert database.read_now(sessions.find, other, AT + 1) is None
    assert not database.write_now(sessions.end, session.id, rina.id + 1), "somebody else's session"
    assert database.write_now(sessions.end, session.id, rina.id)


def test_a_disabled_account_opens_nothing_at_once(database: Database) -> None:
    database.write_now(accounts.add, person("ani", "admin"), at=AT)
    rina = database.write_now(accounts.add, person("rina"), at=AT)
    value = database.write_now(
        sessions.start, rina.id, way="password", agent="uji", place="", at=AT
    )
    database.write_now(accounts.disable, rina.id, AT)
    assert database.read_now(sessions.find, value, AT + 1) is None


def asker(place: str) -> sign_in_throttle.Asker:
    """Return an asker who tries rina's name from a place."""
    own = (
        (f"rina {place}".encode(), sign_in_throttle.FREE_PAIR),
        (place.encode(), sign_in_throttle.FREE_PLACE),
    )
    return sign_in_throttle.Asker(
        own=own, name=(b"rina", sign_in_throttle.FREE_NAME), network=f"rina near {place}".encode()
    )


def test_who_guesses_waits_and_who_is_honest_elsewhere_does_not(database: Database) -> None:
    guesser, owner = asker("afar"), asker("home")
    for _ in range(sign_in_throttle.FREE_PAIR):
        assert database.write_now(sign_in_throttle.begin, guesser, AT).wait == 0
    waits = [database.write_now(sign_in_throttle.begin, guesser, AT).wait for _ in range(12)]
    assert waits == sorted(waits)
    assert waits[0] >= 1
    assert waits[-1] == sign_in_throttle.LONGEST_WAIT[sign_in_throttle.FREE_PAIR]
    assert database.write_now(sign_in_throttle.begin, owner, AT).wait == 0
    assert (
        database.write_now(
            sign_in_throttle.begin, guesser, AT + sign_in_throttle.FORGET_SECONDS + 1
        ).wait
        == 0
    )
    database.write_now(sign_in_throttle.fail, guesser.own[:1] * 10, AT)
    database.write_now(sign_in_throttle.forgive, guesser.own[:1])
    assert (
        database.write_now(
            sign_in_throttle.begin, sign_in_throttle.Asker(own=guesser.own[:1]), AT
        ).wait
        == 0
    )


def test_a_name_attacked_from_everywhere_costs_its_owner_seconds_not_the_account(
    database: Database,
) -> None:
    for number in range(sign_in_throttle.FREE_NAME + 30):
        database.write_now(
            sign_in_throttle.fail,
            [
                (f"pair {number}".encode(), sign_in_throttle.FREE_PAIR),
                (b"rina", sign_in_throttle.FREE_NAME),
            ],
            AT,
        )
    assert 0 < database.write_now(sign_in_throttle.begin, asker("home"), AT).wait <= 5


def test_the_last_who_manages_for_the_whole_city_stays_although_others_manage_for_a_part(
    database: Database,
) -> None:
    ani = database.write_now(accounts.add, person("ani", "admin"), at=0.0)
    database.write_now(accounts.add, person("part", "admin", agencies=("Perumda Tirta",)), at=0.0)
    for changed in (
        replace(ani, roles=("author",)),
        replace(ani, areas=("32.77.03",)),
        replace(ani, agencies=("BPBD",)),
    ):
        with pytest.raises(LastAdmin):
            database.write_now(accounts.change, changed)
    with pytest.raises(LastAdmin):
        database.write_now(accounts.disable, ani.id, 1.0)
