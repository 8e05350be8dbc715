"""Unsubscribing: opening the link changes nothing, the button stops at once, and a mail program may
press it.
"""

import pytest
from sqlalchemy import Connection, text

from subscribers.store import State
from support.browsing import Answer, Running


async def state_of(site: Running, address: int) -> tuple[int, str]:
    """Return state and reason of an address."""

    def read(connection: Connection) -> tuple[int, str]:
        row = connection.execute(
            text("SELECT state, reason FROM address WHERE id = :id"), {"id": address}
        ).one()
        return int(row.state), str(row.reason)

    return await site.app.database.read(read)


async def sources_of(site: Running, address: int) -> list[str]:
    """Return the sources of an address's proofs of consent, oldest first."""

    def read(connection: Connection) -> list[str]:
        query = text("SELECT source FROM consent WHERE address = :id ORDER BY id")
        return [str(source) for source in connection.execute(query, {"id": address}).scalars()]

    return await site.app.database.read(read)


async def test_opening_the_link_asks_and_changes_nothing(site: Running) -> None:
    address = await site.subscriber()
    answer = await site.ask(f"/berhenti/{site.app.vault.token(address)}")
    assert answer.status == 200
    assert "Berhenti menerima pesan?" in answer.text
    assert '<form method="post"' in answer.text
    assert "warga@contoh.example" not in answer.text
    assert (await state_of(site, address))[0] == State.CONFIRMED


async def test_head_and_prefetch_change_nothing_either(site: Running) -> None:
    address = await site.subscriber()
    await site.ask(f"/berhenti/{site.app.vault.token(address)}", "HEAD")
    await site.ask(
        f"/berhenti/{site.app.vault.token(address)}", headers={"Sec-Purpose": "prefetch"}
    )
    assert (await state_of(site, address))[0] == State.CONFIRMED


async def test_the_button_stops_at_once_without_cookie_or_token_of_a_form(site: Running) -> None:
    address = await site.subscriber()
    answer = await site.ask(f"/berhenti/{site.app.vault.token(address)}", "POST")
    assert answer.status == 200
    assert "Anda berhenti" in answer.text
    assert await state_of(site, address) == (State.SUPPRESSED, "opted_out")
    assert (await sources_of(site, address))[-1] == "web"


@pytest.mark.parametrize("form", ["urlencoded", "multipart"])
async def test_a_mail_program_stops_with_one_click(site: Running, form: str) -> None:
    address = await site.subscriber()
    path = f"/berhenti/{site.app.vault.token(address)}"
    if form == "urlencoded":
        answer = await site.ask(
            path,
            "POST",
            data={"List-Unsubscribe": "One-Click"},
            headers={"Origin": "https://mail.example"},
        )
    else:
        body = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
        answer = await site.ask(
            path, "POST", data=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
    assert answer.status == 200
    assert await state_of(site, address) == (State.SUPPRESSED, "opted_out")
    assert (await sources_of(site, address))[-1] == "one-click"


async def test_stopping_twice_says_the_same_and_records_once(site: Running) -> None:
    address = await site.subscriber()
    path = f"/berhenti/{site.app.vault.token(address)}"
    first, second = await site.ask(path, "POST"), await site.ask(path, "POST")
    assert (first.status, first.text) == (second.status, second.text)
    assert (await sources_of(site, address)).count("web") == 1


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"--\r\n\r\n", b"List-Unsubscribe"])
async def test_no_body_however_broken_keeps_anyone_from_stopping(
    site: Running, body: bytes
) -> None:
    address = await site.subscriber()
    headers = {"Content-Type": "multipart/form-data"}
    answer = await site.ask(
        f"/berhenti/{site.app.vault.token(address)}", "POST", data=body, headers=headers
    )
    assert answer.status == 200
    assert (await state_of(site, address))[0] == State.SUPPRESSED


async def test_a_wrong_link_is_not_found_always_in_the_same_words(site: Running) -> None:
    address = await site.subscriber()
    token = site.app.vault.token(address)
    wrong_tokens = [
        ("b" if token[0] == "a" else "a") + token[1:],
        token[:-1] + ("b" if token[-1] == "a" else "a"),
        token[:-1],
        "x",
        "%00",
        "a" * 500,
    ]
    answers: list[Answer] = []
    for wrong_token in wrong_tokens:
        answers += [
            await site.ask(f"/berhenti/{wrong_token}"),
            await site.ask(f"/berhenti/{wrong_token}", "POST"),
        ]
    assert {answer.status for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert (await state_of(site, address))[0] == State.CONFIRMED


async def test_the_page_is_kept_by_nobody_and_names_no_referrer(site: Running) -> None:
    address = await site.subscriber()
    answer = await site.ask(f"/berhenti/{site.app.vault.token(address)}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex"


async def test_someone_who_was_erased_is_told_that_they_have_stopped(site: Running) -> None:
    address = await site.subscriber()
    path = f"/berhenti/{site.app.vault.token(address + 1)}"
    for method in ("GET", "POST"):
        answer = await site.ask(path, method)
        assert answer.status == 200
        assert "Anda berhenti" in answer.text


async def test_many_stops_from_one_mail_provider_are_all_taken(site: Running) -> None:
    address = await site.subscriber()
    for _ in range(120):
        answer = await site.ask(
            f"/berhenti/{site.app.vault.token(address)}",
            "POST",
            data={"List-Unsubscribe": "One-Click"},
        )
        assert answer.status == 200


async def test_a_link_that_names_another_spelling_of_the_address_stops_the_one_that_is_left(
    site: Running,
) -> None:
    address, merged = await site.subscriber(), 9_999
    await site.app.database.write(
        lambda c: c.execute(
            text("INSERT INTO merged VALUES (:gone, :kept)"), {"gone": merged, "kept": address}
        )
    )
    answer = await site.ask(f"/berhenti/{site.app.vault.token(merged)}", "POST")
    assert (answer.status, await state_of(site, address)) == (200, (State.SUPPRESSED, "opted_out"))
