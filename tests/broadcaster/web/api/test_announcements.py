"""Announcements through the API: drafts, publication, refusals in words, repeated requests done
once, steering.
"""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import Connection, text

from broadcaster.store import audit, templates, tokens
from channels.base.contract import Rejected
from subscribers import consent, residents
from support.browsing import EMERGENCY, NOTICE, Running, bearer
from support.fakes import FakeChannel
from support.sending import drain_all, with_channels

PATH = "/api/v1/announcements"
READY = {**NOTICE, "publish": True}


async def create(
    site: Running, content: dict[str, Any], *scopes: str
) -> tuple[dict[str, Any], str]:
    """Create an announcement; return the content of the answer and the token used."""
    token = await site.token(*(scopes or ("write", "publish", "read")))
    answer = await site.post(PATH, content, token)
    assert answer.status == 201, answer.text
    return json.loads(answer.text), token


async def count(site: Running, table: str) -> int:
    """Count the rows of a table."""

    def read(connection: Connection) -> int:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())

    return await site.app.database.read(read)


async def progress(site: Running, key: str, token: str) -> dict[str, Any]:
    """Return the progress that GET reports."""
    answer = await site.ask(f"{PATH}/{key}", headers=bearer(token))
    assert answer.status == 200
    report: dict[str, Any] = json.loads(answer.text)
    return report


async def test_publishing_answers_id_code_status_and_url(site: Running) -> None:
    announcement, _ = await create(site, READY)
    assert set(announcement) == {"id", "code", "status", "url"}
    assert announcement["status"] == "published"
    assert announcement["url"] == f"{site.app.site.base_url}/p/{announcement['code']}"
    assert (await site.ask(f"/p/{announcement['code']}")).status == 200


async def test_a_blank_of_a_template_is_refused_in_every_request_that_leads_to_residents(
    site: Running,
) -> None:
    announcement, token = await create(site, READY)
    form = {**NOTICE, "title": "Rapat di (balai warga)"}
    await site.app.database.write(
        lambda c: templates.add(c, "Rapat", form, actor="staff:rina", at=1.0)
    )
    for title in (form["title"], "Air mati di (wilayah), (hari)", "Air mati di …"):
        for path, fields in (
            (PATH, {"publish": True}),
            (f"{PATH}/{announcement['id']}/correct", {"reason": "Salah."}),
        ):
            answer = await site.post(path, {**NOTICE, "title": title, **fields}, token)
            assert answer.status == 422, answer.text
            assert "Masih ada isian kosong" in answer.text
    withdrawal = await site.post(
        f"{PATH}/{announcement['id']}/withdraw", {"reason": "Batal, lihat (tautan)."}, token
    )
    assert withdrawal.status == 422
    assert await count(site, "edition") == 1


async def test_without_publish_it_is_a_draft_that_nobody_sees(site: Running) -> None:
    announcement, _ = await create(site, dict(NOTICE), "write")
    assert announcement["status"] == "draft"
    assert await count(site, "edition") == 0
    assert (await site.ask(f"/p/{announcement['code']}")).status == 404


async def test_publishing_wants_the_scope_publish_besides_write(site: Running) -> None:
    token = await site.token("write", "read")
    answer = await site.post(PATH, READY, token)
    assert answer.status == 403
    assert await count(site, "announcement") == 0


async def test_a_publication_has_a_run_for_each_open_channel_and_an_audit_row_naming_the_token(
    either: Running,
) -> None:
    announcement, token = await create(either, READY)
    report = await progress(either, announcement["id"], token)
    assert report["sending"] == "preparing"
    assert set(report["deliveries"]) == {"email", "telegram", "whatsapp"}
    assert set(report["deliveries"]["email"]) == {
        "pending",
        "sending",
        "sent",
        "delivered",
        "read",
        "failed",
        "skipped",
        "cancelled",
        "expired",
        "unconfirmed",
    }
    assert report["possible_duplicates"] == 0

    def acts(connection: Connection) -> list[tuple[str, str]]:
        return [
            (row.actor, row.act)
            for row in connection.execute(text("SELECT actor, act FROM audit ORDER BY id"))
        ]

    assert ("token:uji 0", "publish") in await either.app.database.read(acts)
    assert await either.app.database.read(audit.verify) >= 1


async def test_it_can_be_followed_by_its_code_too(site: Running) -> None:
    announcement, token = await create(site, READY)
    assert (await progress(site, announcement["code"], token))["id"] == announcement["id"]


async def test_an_emergency_goes_by_its_own_lane(site: Running) -> None:
    await create(site, {**EMERGENCY, "publish": True})

    def lanes(connection: Connection) -> set[str]:
        return set(connection.execute(text("SELECT DISTINCT lane FROM run")).scalars())

    assert await site.app.database.read(lanes) == {"emergency"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": "x" * 71}, "title"),
        ({"areas": ["lembang"]}, "areas"),
        ({"areas": []}, "areas"),
        ({"expires": "2020-01-01 10:00"}, "expires"),
        ({"channels": ["merpati"]}, "channels"),
        ({"level": "gawat"}, "level"),
        ({"judul": "x"}, "judul"),
        ({"publish": "ya"}, "publish"),
        ({"level": "emergency"}, "instruction"),
        ({"body": 7}, "body"),
        ({"translations": {"en": {"title": "x"}}}, "translations.en.body"),
    ],
)
async def test_what_is_wrong_is_named_with_field_reason_and_remedy(
    site: Running, change: dict[str, Any], field: str
) -> None:
    token = await site.token("write", "publish")
    answer = await site.post(PATH, {**READY, **change}, token)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problems = json.loads(answer.text)["problems"]
    assert field in {problem["field"] for problem in problems}
    assert all(problem["reason"] and problem["remedy"] for problem in problems)
    assert await count(site, "announcement") == await count(site, "edition") == 0


@pytest.mark.parametrize(
    ("languages", "reason", "remedy"),
    [
        ("en-GB,en;q=0.9,id;q=0.5", "Still empty.", "Add title."),
        ("fr, en;q=0.4, id;q=0.8", "Belum diisi.", "Tambahkan title."),
        ("fr", "Belum diisi.", "Tambahkan title."),
        ("en;q=0", "Belum diisi.", "Tambahkan title."),
        (";;q=x, *", "Belum diisi.", "Tambahkan title."),
    ],
)
async def test_a_refusal_speaks_the_language_of_the_caller(
    site: Running, languages: str, reason: str, remedy: str
) -> None:
    token = await site.token("write")
    answer = await site.post(PATH, {**NOTICE, "title": ""}, token, **{"Accept-Language": languages})
    [problem] = json.loads(answer.text)["problems"]
    assert problem == {"field": "title", "code": "missing", "reason": reason, "remedy": remedy}


async def test_an_act_that_is_refused_has_a_code_beside_its_sentence(site: Running) -> None:
    token = await site.token("write", "publish")
    announcement = json.loads((await site.post(PATH, NOTICE, token)).text)
    answer = await site.post(
        f"{PATH}/{announcement['id']}/withdraw",
        {"reason": "Salah."},
        token,
        **{"Accept-Language": "en"},
    )
    content = json.loads(answer.text)
    assert (answer.status, content["code"]) == (409, "state_forbids")
    assert content["detail"] == "This announcement is a draft, so it cannot be withdrawn."


async def test_all_problems_are_named_at_once(site: Running) -> None:
    token = await site.token("write")
    answer = await site.post(
        PATH, {"title": "x" * 71, "areas": ["lembang"], "level": "emergency"}, token
    )
    fields = {problem["field"] for problem in json.loads(answer.text)["problems"]}
    assert {"title", "body", "areas", "expires", "instruction"} <= fields


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b"NaN", b'{"title": "\\ud800"}']
)
async def test_what_is_no_json_object_is_refused(site: Running, body: bytes) -> None:
    token = await site.token("write")
    answer = await site.ask(
        PATH, "POST", data=body, headers={**bearer(token), "Content-Type": "application/json"}
    )
    assert answer.status in {400, 422}
    assert json.loads(answer.text)["status"] == answer.status


async def test_a_body_over_the_cap_is_refused(site: Running) -> None:
    token = await site.token("write")
    answer = await site.post(PATH, {**NOTICE, "body": "x" * 300_000}, token)
    assert answer.status == 413


# --- repeated requests ----------------------------------------------------------------------------


async def test_the_same_key_and_body_publish_once_and_answer_the_same(either: Running) -> None:
    token = await either.token("write", "publish")
    answers = [
        await either.post(PATH, READY, token, **{"Idempotency-Key": "kunci-1"}) for _ in range(3)
    ]
    assert {(answer.status, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert await count(either, "announcement") == await count(either, "edition") == 1
    assert "Idempotency-Replayed" not in answers[0].headers
    assert answers[1].headers["Idempotency-Replayed"] == "true"


async def test_the_same_key_at_the_same_moment_publishes_once(either: Running) -> None:
    token = await either.token("write", "publish")
    requests = [either.post(PATH, READY, token, **{"Idempotency-Key": "kunci-1"}) for _ in range(8)]
    answers = await asyncio.gather(*requests)
    assert {(answer.status, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert await count(either, "edition") == 1


async def test_the_same_key_with_another_body_is_refused_and_does_nothing(either: Running) -> None:
    token = await either.token("write", "publish")
    await either.post(PATH, READY, token, **{"Idempotency-Key": "kunci-1"})
    answer = await either.post(
        PATH, {**READY, "title": "Lain"}, token, **{"Idempotency-Key": "kunci-1"}
    )
    assert answer.status == 422
    assert json.loads(answer.text)["problems"][0]["field"] == "Idempotency-Key"
    assert await count(either, "edition") == 1


async def test_a_refused_request_leaves_its_key_free(either: Running) -> None:
    token = await either.token("write", "publish")
    key = {"Idempotency-Key": "kunci-1"}
    assert (await either.post(PATH, {**READY, "title": ""}, token, **key)).status == 422
    assert (await either.post(PATH, READY, token, **key)).status == 201


async def test_a_request_repeated_after_its_expiry_still_gets_its_first_answer(
    site: Running,
) -> None:
    token = await site.token("write", "publish")
    first = await site.post(PATH, READY, token, **{"Idempotency-Key": "kunci-1"})
    site.clock.now = site.clock.now.replace(hour=20)
    again = await site.post(PATH, READY, token, **{"Idempotency-Key": "kunci-1"})
    assert (again.status, again.text) == (201, first.text)


async def test_two_tokens_may_use_the_same_key(site: Running) -> None:
    codes = set()
    for _ in range(2):
        token = await site.token("write", "publish")
        codes.add(
            json.loads((await site.post(PATH, READY, token, **{"Idempotency-Key": "1"})).text)[
                "code"
            ]
        )
    assert len(codes) == 2


async def test_an_overlong_key_is_refused(site: Running) -> None:
    token = await site.token("write", "publish")
    assert (await site.post(PATH, READY, token, **{"Idempotency-Key": "x" * 201})).status == 400


# --- steering, correcting, withdrawing ------------------------------------------------------------


async def test_sending_can_be_paused_resumed_and_cancelled(either: Running) -> None:
    announcement, token = await create(either, READY)
    for act, sending in (
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "preparing"),
        ("cancel", "stopped"),
    ):
        answer = await either.post(f"{PATH}/{announcement['id']}/{act}", {}, token)
        assert answer.status == 200, (act, answer.text)
        assert json.loads(answer.text)["sending"] == sending
    assert (await progress(either, announcement["id"], token))["sending"] == "stopped"


@pytest.mark.parametrize("act", ["pause", "resume"])
async def test_what_has_stopped_can_be_neither_paused_nor_resumed(site: Running, act: str) -> None:
    announcement, token = await create(site, READY)
    await site.post(f"{PATH}/{announcement['id']}/cancel", {"reason": "Salah wilayah."}, token)
    answer = await site.post(f"{PATH}/{announcement['id']}/{act}", {}, token)
    assert answer.status == 409
    assert json.loads(answer.text)["detail"]


async def test_retrying_says_how_many_were_opened_again(either: Running) -> None:
    announcement, token = await create(either, READY)
    report = json.loads(
        (await either.post(f"{PATH}/{announcement['id']}/retry-failed", {}, token)).text
    )
    assert (report["retried"], report["left_out"]) == (0, {})
    assert report["id"] == announcement["id"]


async def test_who_failed_is_tried_again_and_who_is_left_out_is_reported(either: Running) -> None:
    for name in ("satu", "dua", "tiga"):
        await either.subscriber(f"{name}@contoh.example")
    announcement, token = await create(
        either, {**READY, "channels": ["email"], "expires": "2099-01-01 00:00"}
    )
    app = with_channels(
        either.app, FakeChannel(provider=lambda recipient: Rejected(code=recipient.address))
    )
    await drain_all(app)
    before = await progress(either, announcement["id"], token)
    assert [(cause["words"], cause["count"]) for cause in before["failures"]] == [
        ("Ditolak penyedia", 1)
    ] * 3
    resident = await either.app.database.read(
        residents.find, app.vault, "email", "dua@contoh.example"
    )
    assert resident is not None
    await app.database.write(consent.stop, resident.id, source="test", at=1.0)
    after = json.loads(
        (await either.post(f"{PATH}/{announcement['code']}/retry-failed", {}, token)).text
    )
    assert (after["retried"], after["left_out"]) == (2, {"opted_out": 1})
    assert (
        after["sending"],
        after["deliveries"]["email"]["pending"],
        after["deliveries"]["email"]["failed"],
    ) == ("running", 2, 1)


async def test_a_pause_tells_its_reason_where_others_follow(site: Running) -> None:
    announcement, token = await create(site, READY)
    await site.post(f"{PATH}/{announcement['id']}/pause", {"reason": "Salah wilayah."}, token)
    report = await progress(site, announcement["id"], token)
    assert {channel["why"] for channel in report["channels"].values()} == {"Salah wilayah."}
    assert (report["waiting"], report["failures"], report["causes_complete"]) == ([], [], True)


async def test_steering_is_logged_with_its_actor_and_only_when_something_changed(
    site: Running,
) -> None:
    announcement, token = await create(site, READY)
    for act in ("pause", "pause", "resume", "retry-failed"):
        await site.post(f"{PATH}/{announcement['id']}/{act}", {}, token)

    def acts(connection: Connection) -> list[tuple[str, str]]:
        return [
            (row.actor, row.act)
            for row in connection.execute(text("SELECT actor, act FROM audit ORDER BY id"))
        ]

    assert await site.app.database.read(acts) == [
        ("token:uji 0", act) for act in ("publish", "pause", "resume", "retry-failed", "retried")
    ]


async def test_a_correction_is_the_next_edition_under_the_same_code(either: Running) -> None:
    announcement, token = await create(either, READY)
    content = {**NOTICE, "expires": "2026-11-25 16:00", "reason": "Air kembali pukul 16.00."}
    answer = await either.post(f"{PATH}/{announcement['id']}/correct", content, token)
    assert answer.status == 200, answer.text
    assert json.loads(answer.text)["code"] == announcement["code"]
    assert "Air kembali pukul 16.00." in (await either.ask(f"/p/{announcement['code']}")).text
    assert await count(either, "edition") == 2


async def test_a_correction_by_code_and_key_happens_once(site: Running) -> None:
    announcement, token = await create(site, READY)
    content = {**NOTICE, "expires": "2026-11-25 16:00", "reason": "Air kembali pukul 16.00."}
    for _ in range(2):
        answer = await site.post(
            f"{PATH}/{announcement['code']}/correct", content, token, **{"Idempotency-Key": "r"}
        )
        assert answer.status == 200
    assert await count(site, "edition") == 2


@pytest.mark.parametrize(
    "content",
    [{}, {"reason": ""}, {"reason": "  "}, {"reason": 5}, {"reason": "x" * 301}, {"alasan": "x"}],
)
async def test_a_withdrawal_without_a_proper_reason_is_refused(
    site: Running, content: dict[str, Any]
) -> None:
    announcement, token = await create(site, READY)
    answer = await site.post(f"{PATH}/{announcement['id']}/withdraw", content, token)
    assert answer.status == 422
    assert json.loads(answer.text)["problems"]
    assert "Dicabut" not in (await site.ask(f"/p/{announcement['code']}")).text


async def test_a_withdrawal_takes_it_back_once(either: Running) -> None:
    announcement, token = await create(either, READY)
    answer = await either.post(
        f"{PATH}/{announcement['id']}/withdraw", {"reason": "Pekerjaan ditunda."}, token
    )
    assert json.loads(answer.text)["status"] == "ended"
    assert "Dicabut" in (await either.ask(f"/p/{announcement['code']}")).text
    again = await either.post(
        f"{PATH}/{announcement['id']}/withdraw", {"reason": "Sekali lagi."}, token
    )
    assert again.status == 409


async def test_a_draft_cannot_be_corrected_or_withdrawn(site: Running) -> None:
    announcement, token = await create(site, dict(NOTICE))
    assert (
        await site.post(f"{PATH}/{announcement['id']}/withdraw", {"reason": "Salah."}, token)
    ).status == 409
    assert (
        await site.post(
            f"{PATH}/{announcement['id']}/correct", {**NOTICE, "reason": "Salah."}, token
        )
    ).status == 409


@pytest.mark.parametrize(
    "act", ["pause", "resume", "cancel", "retry-failed", "withdraw", "correct"]
)
async def test_an_unknown_announcement_is_not_found(site: Running, act: str) -> None:
    token = await site.token("publish", "read")
    answer = await site.post(
        f"{PATH}/tidak-ada/{act}",
        {**NOTICE, "reason": "x"} if act == "correct" else {"reason": "x"},
        token,
    )
    assert answer.status == 404
    assert (await site.ask(f"{PATH}/tidak-ada", headers=bearer(token))).status == 404


async def test_a_revoked_token_is_refused_at_once(site: Running) -> None:
    announcement, token = await create(site, READY)
    assert (await progress(site, announcement["id"], token))["id"] == announcement["id"]
    await site.app.database.write(tokens.revoke, "uji 0")
    assert (await site.ask(f"{PATH}/{announcement['id']}", headers=bearer(token))).status == 401


async def test_strangers_must_wait_but_never_shut_a_token_out(site: Running) -> None:
    token = await site.token("read")
    statuses = [
        (await site.ask("/api/v1/areas", headers=bearer(f"siaran_{number}"))).status
        for number in range(40)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert (await site.ask("/api/v1/areas", headers=bearer(token))).status == 200
