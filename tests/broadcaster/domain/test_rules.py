"""The rules of an announcement, each refusal with field, reason and remedy; states; four eyes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain.fields import BODY_LIMIT, MAX_AREAS, MAX_EVIDENCE
from broadcaster.domain.lifecycle import (
    Action,
    NotAllowed,
    Role,
    State,
    approve,
    may,
)
from broadcaster.domain.rules import (
    CheckedAnnouncement,
    Fields,
    InvalidAnnouncement,
    content_hash,
    examine,
)
from broadcaster.runtime.i18n import LANGUAGES, words
from broadcaster.runtime.refusal_words import indonesian
from broadcaster.runtime.settings import TOPICS
from channels.base.moments import WIB
from subscribers.areas import AreaTree
from support.wording import refuses, worded

NOW = datetime(2026, 11, 25, 7, 43, tzinfo=WIB)
NOTICE: dict[str, Any] = {
    "title": "Air PDAM mati di Cibabat",
    "body": "Tampung air sekarang.",
    "areas": ["cibabat"],
}
EMERGENCY: dict[str, Any] = {
    **NOTICE, "level": "emergency", "expires": "2026-11-25 10:00", "instruction": "Pindah ke tempat tinggi.",
}  # fmt: skip
CLARIFICATION: dict[str, Any] = {
    **NOTICE, "kind": "clarification", "claim": "Bansos Rp1,5 juta lewat tautan", "verdict": "hoaks",
    "fact": "Pendaftaran hanya di kantor kelurahan.", "evidence": ["https://info.cimahi.example/bukti"],
}  # fmt: skip


def checked(
    raw: Mapping[str, Any] = NOTICE, now: datetime = NOW, **changes: Any
) -> CheckedAnnouncement:
    """Return the announcement, checked; a change to None leaves the field out."""
    return examine(
        {**raw, **changes},
        tree=AreaTree.built_in(),
        topics=TOPICS,
        channels=("whatsapp", "telegram", "email", "feed"),
        now=now,
    )


def refusals(raw: Mapping[str, Any] = NOTICE, **changes: Any) -> dict[str, str]:
    """Return every refusal by its field."""
    with pytest.raises(InvalidAnnouncement) as refused:
        checked(raw, **changes)
    problems = worded(refused.value)
    for problem in problems:
        assert problem.field
        assert problem.reason.endswith(".")
        assert problem.remedy.endswith((".", "?", "..."))
    return {problem.field: f"{problem.reason} {problem.remedy}" for problem in problems}


# --- the fields -----------------------------------------------------------------------------------


def test_title_body_and_areas_are_enough() -> None:
    announcement = checked()
    assert (announcement.kind, announcement.fields.level, announcement.topic.slug) == (
        "notice",
        "info",
        "lainnya",
    )
    assert [area.code for area in announcement.areas] == ["32.77.03.1002"]


def test_everything_that_is_missing_is_named_at_once() -> None:
    assert list(refusals({})) == ["title", "body", "areas"]
    assert set(refusals({"title": " ", "body": "\u202e", "areas": []})) == {
        "title",
        "body",
        "areas",
    }


def test_refusals_of_shape_and_of_rules_are_named_together() -> None:
    refused = refusals(title="x" * 71, expires="2021-01-01 10:00", kind="poster", category="cuca")
    assert set(refused) == {"title", "expires", "kind", "category"}


def test_a_title_of_71_is_one_too_long_and_an_emoji_counts_once() -> None:
    assert refusals(title="😀" * 71)["title"].startswith("Kelebihan 1 karakter.")
    assert checked(title="a" + "😀" * 69).fields.title == "a" + "😀" * 69


def test_what_is_cleaned_away_does_not_count() -> None:
    assert checked(title="  " + "a " * 35 + "\u202e\x00\n").fields.title == ("a " * 35).strip()


@pytest.mark.parametrize(
    ("field", "limit"),
    [
        ("summary", 90),
        ("agency", 80),
        ("instruction", 2_000),
        ("body", BODY_LIMIT),
        ("category", 60),
    ],
)
def test_each_text_has_its_limit(field: str, limit: int) -> None:
    assert refusals(**{field: "a" * (limit + 12)})[field].startswith("Kelebihan 12 karakter.")
    assert field == "category" or checked(**{field: "a" * limit})


def test_lists_are_bounded() -> None:
    assert "Ada 201" in refusals(areas=["cibabat"] * (MAX_AREAS + 1))["areas"]
    assert (
        "Ada 11"
        in refusals(CLARIFICATION, evidence=["https://a.example"] * (MAX_EVIDENCE + 1))["evidence"]
    )


def test_an_unknown_field_is_answered_with_the_nearest_known_one() -> None:
    assert 'Maksud Anda "expires"?' in refusals(expire="2026-11-25 14:00")["expire"]
    assert (
        'Maksud Anda "summary"?'
        in refusals(translations={"en": {"title": "x", "body": "y", "sumary": "z"}})[
            "translations.en.sumary"
        ]
    )
    assert "title, body, areas" in refusals(qqq="x")["qqq"]


def test_an_empty_value_counts_as_not_given() -> None:
    fields = checked(summary="", expires=None, link="  ", kind="", level=None).fields
    assert (fields.summary, fields.expires, fields.link, fields.kind, fields.level) == (
        None,
        None,
        None,
        None,
        "info",
    )


@pytest.mark.parametrize("value", [7, 3.5, True, ["x"], {"id": "x"}])
def test_a_text_of_another_shape_is_refused(value: object) -> None:
    assert "Isi dengan teks." in refusals(title=value)["title"]


def test_lists_may_be_written_as_words() -> None:
    announcement = checked(areas="cibabat, melong", channels="email feed")
    assert [area.slug for area in announcement.areas] == ["cibabat", "melong"]
    assert announcement.fields.channels == ("email", "feed")


def test_a_list_or_translation_of_another_shape_is_refused_with_an_example() -> None:
    assert "misalnya [cibabat, melong]" in refusals(areas=7)["areas"]
    assert "misalnya en:" in refusals(translations="en")["translations"]
    assert "title dan body" in refusals(translations={"en": "Hello"})["translations.en"]
    assert set(
        refusals(translations={"fr": {"title": "x", "body": "y"}, "en": {"title": "x"}})
    ) == {
        "translations.fr.[key]",
        "translations.en.body",
    }


def test_words_are_chosen_whatever_their_case() -> None:
    announcement = checked(
        {**CLARIFICATION, "level": "Important", "kind": "Clarification", "verdict": "KONTEN LAMA"}
    )
    assert (announcement.fields.level, announcement.kind, announcement.fields.verdict) == (
        "important",
        "clarification",
        "Konten lama",
    )


def test_an_unknown_choice_is_answered_with_all_choices() -> None:
    assert "Pilih: info, important, emergency." in refusals(level="darurat")["level"]
    assert (
        "Pilih: Hoaks, Menyesatkan, Konten lama, Benar."
        in refusals(CLARIFICATION, verdict="Salah")["verdict"]
    )


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-25 14:00", "2026-11-25T07:00:00+00:00"),
        ("2026-11-25 14.00", "2026-11-25T07:00:00+00:00"),
        ("2026-11-25 14:00 WIB", "2026-11-25T07:00:00+00:00"),
        ("2026-11-25T14:00:30", "2026-11-25T07:00:30+00:00"),
        ("2026-11-25T14:00:00+08:00", "2026-11-25T06:00:00+00:00"),
        ("2026-11-25T14:00:00.123Z", "2026-11-25T14:00:00+00:00"),
        ("2026-11-25T14:00:00-0330", "2026-11-25T17:30:00+00:00"),
        (datetime(2026, 11, 25, 14, tzinfo=UTC), "2026-11-25T14:00:00+00:00"),
        (datetime(2026, 11, 25, 14), "2026-11-25T07:00:00+00:00"),  # noqa: DTZ001 # a naive time is the case under test
    ],
)
def test_a_time_without_a_zone_is_wib(written: object, meant: str) -> None:
    expires = checked(expires=written).fields.expires
    assert expires is not None
    assert expires.astimezone(UTC).isoformat() == meant


@pytest.mark.parametrize(
    "written",
    ["besok", "2026-11-25", "14:00", "25-11-2026 14:00", "2026-11-25 14:00 WITA", 1795590000, True],
)
def test_what_is_no_time_is_refused_with_an_example(written: object) -> None:
    assert "misalnya 2026-11-25 14:00" in refusals(expires=written)["expires"]


@pytest.mark.parametrize("written", ["2026-02-30 10:00", "2026-11-25 24:30", "2026-11-25 10:61"])
def test_a_time_that_does_not_exist_is_refused(written: str) -> None:
    assert "tidak ada" in refusals(expires=written)["expires"]


def test_an_expiry_in_the_past_is_refused() -> None:
    assert refusals(expires="2026-11-25 07:43")["expires"].startswith(
        "25 Nov 2026 07.43 WIB sudah lewat."
    )


def test_an_expiry_before_the_beginning_is_refused() -> None:
    assert (
        "Berakhir sebelum"
        in refusals(effective="2026-11-25 12:00", expires="2026-11-25 12:00")["expires"]
    )
    assert (
        "sesudah 26 Nov 2026 08.00"
        in refusals(publish_at="2026-11-26 08:00", expires="2026-11-25 12:00")["expires"]
    )
    assert (
        "sesudah 26 Nov"
        in refusals(
            effective="2026-11-25 09:00", publish_at="2026-11-26 08:00", expires="2026-11-25 12:00"
        )["expires"]
    )


def test_what_began_earlier_may_still_be_announced() -> None:
    assert checked(effective="2026-11-24 06:00", expires="2026-11-25 12:00")


def test_a_time_of_publication_in_the_past_is_refused() -> None:
    assert "hapus publish_at" in refusals(publish_at="2026-11-25 07:43")["publish_at"]
    assert checked(publish_at="2026-11-25 07:44")


# --- areas, topics, channels, addresses ---------------------------------------------------------------


def test_an_unknown_area_is_refused_with_a_suggestion() -> None:
    refusal = refusals(areas=["cibabet"])["areas"]
    assert refusal.startswith('Wilayah "cibabet" tidak dikenal.')
    assert "cibabat" in refusal


def test_every_unknown_area_is_named() -> None:
    with pytest.raises(InvalidAnnouncement) as refused:
        checked(areas=["lembang", "cibabat", "padalarang"])
    assert len(refused.value.problems) == 2


def test_cimahi_is_the_city_and_codes_are_as_good_as_slugs() -> None:
    assert [area.code for area in checked(areas=["cimahi"]).areas] == ["32.77"]
    assert [area.code for area in checked(areas=["32.77.02.1006", "kelurahan-cimahi"]).areas] == [
        "32.77.02.1006"
    ]


def test_an_area_within_another_given_one_is_not_named_again() -> None:
    assert [area.slug for area in checked(areas=["cibabat", "melong", "cimahi-utara"]).areas] == [
        "melong",
        "cimahi-utara",
    ]


def test_an_unknown_category_or_channel_is_refused() -> None:
    refused = refusals(category="kesehatn", channels=["fax", "emial"])
    assert 'Maksud Anda "kesehatan"?' in refused["category"]
    assert 'Maksud Anda "email"?' in refused["channels"]


@pytest.mark.parametrize(
    "address",
    [
        "cimahi.go.id", "//cimahi.go.id", "/p/1", "ftp://cimahi.go.id", "javascript:alert(1)", "https://", "https:///x",
        "https://a b.id",
        "https://x:99999/", "https://bank@jahat.example/", "https://[::1/", "https://é.id/", 'https://a.id/"onload=x', "https://a.id/\\x",
    ],
)  # fmt: skip
def test_what_is_no_absolute_web_address_is_refused(address: str) -> None:
    refused = refusals(
        CLARIFICATION, link=address, image=address, image_alt="x", evidence=[address]
    )
    assert set(refused) == {"link", "image", "evidence"}


@pytest.mark.parametrize(
    "address",
    [
        "https://cimahikota.go.id",
        "http://a.id:8080/x?y=1&z=%20#top",
        "HTTPS://a.id/",
        "https://a.id/x_(y)~z",
        "http://[::1]/",
    ],
)
def test_absolute_web_addresses_are_taken(address: str) -> None:
    assert checked(link=address).fields.link == address


def test_a_picture_needs_its_text_alternative_and_the_other_way_round() -> None:
    assert "teks alternatif" in refusals(image="https://a.example/x.png")["image_alt"]
    assert "tanpa gambar" in refusals(image_alt="Pipa")["image"]
    assert checked(image="https://a.example/x.png", image_alt="Pipa pecah")


@pytest.mark.parametrize("invisible", ["\u200b", "---", "**", "!?", "\u00a0.", "&#8203;"])
def test_words_that_nobody_can_see_are_no_words(invisible: str) -> None:
    assert {"body", "instruction"} <= set(
        refusals(EMERGENCY, body=invisible, instruction=invisible)
    )


# --- kinds and levels ---------------------------------------------------------------------------------


def test_an_emergency_is_an_alert_by_itself() -> None:
    assert checked(EMERGENCY).kind == "alert"
    assert checked(EMERGENCY, kind="alert").kind == "alert"


@pytest.mark.parametrize("kind", ["notice", "clarification"])
def test_an_emergency_of_another_kind_is_refused(kind: str) -> None:
    assert "kind: alert" in refusals(EMERGENCY, kind=kind)["kind"]


def test_an_emergency_without_area_expiry_or_instruction_fails_closed() -> None:
    assert set(refusals(EMERGENCY, areas=None, expires=None, instruction=None)) == {
        "areas",
        "expires",
        "instruction",
    }
    for field in ("areas", "expires", "instruction"):
        assert list(refusals(EMERGENCY, **{field: None})) == [field]


def test_an_emergency_needs_its_instruction_in_every_language() -> None:
    english = {"en": {"title": "Flood", "body": "Move."}}
    assert "petunjuk" in refusals(EMERGENCY, translations=english)["translations.en.instruction"]


@pytest.mark.parametrize("level", ["info", "important"])
def test_an_alert_may_be_less_than_an_emergency_and_needs_no_instruction(level: str) -> None:
    assert checked(kind="alert", level=level).kind == "alert"


def test_a_clarification_needs_claim_verdict_fact_and_evidence() -> None:
    assert checked(CLARIFICATION).fields.verdict == "Hoaks"
    assert set(refusals(kind="clarification")) == {"claim", "verdict", "fact", "evidence"}


def test_the_fields_of_a_clarification_belong_to_no_other_kind() -> None:
    assert (
        "kind: clarification, atau hapus verdict, fact"
        in refusals(verdict="Hoaks", fact="x")["verdict"]
    )


# --- what an approval is bound to ---------------------------------------------------------------------


def test_fields_survive_their_storage() -> None:
    fields = checked(
        CLARIFICATION,
        expires="2026-11-26 10:00",
        translations={"en": {"title": "Hoax", "body": "No."}},
        channels=["email"],
    ).fields
    assert Fields.model_validate_json(fields.as_json()) == fields


def test_the_hash_is_bound_to_content_and_audience() -> None:
    fields = checked().fields
    base = content_hash(fields, ["a", "b"])
    assert base == content_hash(checked().fields, ["b", "a", "a"])
    assert base != content_hash(fields, ["a"])
    assert base != content_hash(checked(title="Air PDAM mati di Cibabat.").fields, ["a", "b"])
    assert base != content_hash(checked(channels=["email"]).fields, ["a", "b"])


def test_another_person_approves_exactly_what_was_shown() -> None:
    assert approve("review", editors={"rina"}, approver="dewi", seen="h", current="h") == "approved"
    with refuses(NotAllowed, match="sendiri"):
        approve("review", editors={"rina"}, approver="rina", seen="h", current="h")
    with refuses(NotAllowed, match="berubah"):
        approve("review", editors={"rina"}, approver="dewi", seen="h", current="i")
    with refuses(NotAllowed, match="draf"):
        approve("draft", editors={"rina"}, approver="dewi", seen="h", current="h")


# --- the states ---------------------------------------------------------------------------------------

states: tuple[State, ...] = get_args(State)
acts: tuple[Action, ...] = get_args(Action)
roles: tuple[Role, ...] = get_args(Role)


def transitions() -> dict[tuple[State, Action, Role], State]:
    """Return the state after every transition that is allowed."""
    allowed: dict[tuple[State, Action, Role], State] = {}
    for state in states:
        for act in acts:
            for role in roles:
                try:
                    allowed[state, act, role] = may(state, act, role)
                except NotAllowed as refused:
                    assert indonesian(refused).endswith(".")  # every refusal is a sentence
    return allowed


def test_every_state_and_act_has_its_words() -> None:
    for lang in LANGUAGES:
        assert {f"refusal.state.{state}" for state in states} <= words(lang).keys
        assert {f"refusal.act.{act}" for act in acts} <= words(lang).keys


def test_the_states_of_an_ordinary_announcement() -> None:
    state: State = "draft"
    steps: list[tuple[Action, Role]] = [
        ("edit", "author"),
        ("submit", "author"),
        ("send_back", "approver"),
        ("edit", "author"),
        ("submit", "author"),
        ("approve", "approver"),
        ("schedule", "approver"),
        ("publish", "clock"),
        ("correct", "approver"),
        ("end", "clock"),
        ("archive", "approver"),
    ]
    visited = [state := may(state, act, role) for act, role in steps]
    assert " ".join(visited) == (
        "draft review returned returned review approved scheduled published published ended archived"
    )


def test_no_author_publishes_alone() -> None:
    author_moves = {(act, to) for (_, act, role), to in transitions().items() if role == "author"}
    assert {act for act, to in author_moves if to in ("approved", "scheduled", "published")} == {
        "unschedule"
    }
    assert ("review", "publish", "approver") not in transitions()
    assert ("draft", "publish", "approver") not in transitions()


def test_a_grant_is_the_second_person_for_drafts() -> None:
    assert transitions()["draft", "publish", "grant"] == "published"
    assert transitions()["draft", "schedule", "grant"] == "scheduled"


def test_an_edit_drops_the_approval() -> None:
    assert {state: to for (state, act, _), to in transitions().items() if act == "edit"} == {
        "draft": "draft",
        "returned": "returned",
        "review": "review",
        "approved": "review",
        "scheduled": "review",
    }


def test_what_is_published_is_never_edited_in_silence() -> None:
    acts_after = {act for (state, act, _) in transitions() if state in ("published", "ended")}
    assert acts_after == {"correct", "withdraw", "end", "archive"}


def test_the_clock_only_carries_out_what_people_decided() -> None:
    assert {(state, act) for (state, act, role) in transitions() if role == "clock"} == {
        ("approved", "publish"),
        ("scheduled", "publish"),
        ("scheduled", "miss"),
        ("published", "end"),
        ("approved", "lapse"),
        ("scheduled", "lapse"),
    }


def test_every_state_can_be_reached_from_a_draft() -> None:
    reached: set[State] = {"draft"}
    for _ in states:
        reached |= {to for (state, _, _), to in transitions().items() if state in reached}
    assert reached == set(states)


def test_a_refused_act_says_the_state_in_words() -> None:
    with refuses(NotAllowed, match="Pengumuman ini draf, jadi tidak dapat dicabut"):
        may("draft", "withdraw", "grant")


# --- links --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("Lihat https://cimahikota.go.id/berita.", False),
        ("Lihat https://dinkes.cimahikota.go.id.", False),
        ("Lihat www.cimahikota.go.id dan cimahikota.go.id/air", False),
        ("Surat ke info@contoh.example/, rasio 3/4, Jl.Amir, pukul 08.00/09.00.", False),
        ("Lihat https://bit.ly/xyz.", True),
        ("Lihat bit.ly/xyz.", True),
        ("Lihat www.bit.ly", True),
        ("[situs kota](https://jahat.example)", True),
        ("https://cimahikota.go.id@jahat.example/", True),
        ("https://cimahikota.go.id.jahat.example/", True),
        ("https://bukancimahikota.go.id/", True),
        ("Lihat jahat.com untuk daftar.", True),
        ("Lihat https:///jahat.com atau https:jahat.com", True),
        ("[situs kota](//jahat.example/a)", True),
        ("[situs kota](https:jahat.example)", True),
        ("[situs kota](mailto:dinas@jahat.example)", True),
        ("[situs kota](tg:resolve?domain=jahat)", True),
        (
            "[telepon](tel:112), [berkas](/media/denah.pdf), [surat](mailto:dinas@cimahikota.go.id)",
            False,
        ),
        ("Lihat http://192.0.2.7/x atau 192.0.2.7", True),
        ("Lihat https://cimahik\u043eta.go.id/", True),
        ("Lihat https://cimahikota.go.id\\@jahat.com/", True),
    ],
)
def test_links_lead_to_named_hosts_alone(text: str, refused: bool) -> None:
    def refused_fields(raw: dict[str, Any]) -> set[str]:
        try:
            examine(
                raw,
                tree=AreaTree.built_in(),
                topics=TOPICS,
                channels=(),
                now=NOW,
                link_hosts=("cimahikota.go.id",),
            )
        except InvalidAnnouncement as error:
            return {problem.field for problem in error.problems}
        return set()

    assert refused_fields({**NOTICE, "body": text}) == ({"body"} if refused else set())
    assert refused_fields({**NOTICE, "link": "https://jahat.example/"}) == {"link"}
    translated = {"en": {"title": "Water", "body": text}}
    assert refused_fields({**NOTICE, "translations": translated}) == (
        {"translations.en.body"} if refused else set()
    )
    checked({**NOTICE, "body": text})


@pytest.mark.parametrize("field", ["claim", "fact", "seen_at", "hoax_type", "agency"])
def test_no_field_smuggles_a_link_past_the_named_hosts(field: str) -> None:
    raw = {**CLARIFICATION, "link": None, field: "Kabar dari jahat.com yang beredar"}
    with pytest.raises(InvalidAnnouncement) as refused:
        examine(
            raw,
            tree=AreaTree.built_in(),
            topics=TOPICS,
            channels=(),
            now=NOW,
            link_hosts=("cimahikota.go.id",),
        )
    assert field in {problem.field for problem in refused.value.problems}


# --- any input ----------------------------------------------------------------------------------------

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=80)
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*Fields.model_fields, "judul", ""]), junk, max_size=8))
def test_any_input_is_taken_or_refused_in_words(raw: dict[str, Any]) -> None:
    try:
        announcement = checked({**NOTICE, **raw})
    except InvalidAnnouncement as refused:
        assert refused.problems
        assert all(problem.reason and problem.remedy for problem in worded(refused))
    else:
        assert len(announcement.fields.title) <= 70
        assert announcement.areas
        assert announcement.fields.expires is None or announcement.fields.expires > NOW
