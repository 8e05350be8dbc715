"""Areas and topics of an address."""

from typing import Any

import pytest
from sqlalchemy import Connection

from subscribers.areas import AreaTree
from subscribers.refusals import BadValue
from subscribers.subscriptions import (
    Choice,
    check_topics,
    codes_of,
    home_of,
    pack_topics,
    read,
    replace,
    unpack_topics,
)
from support.wording import refuses, words_of

NOBODY = 10**9
TOPICS = ("kesehatan", "bansos", "cuaca", "lainnya")


def test_topics_are_kept_sorted_between_spaces() -> None:
    assert pack_topics(["kesehatan", "bansos"]) == " bansos kesehatan "
    assert unpack_topics(" bansos kesehatan ") == ("bansos", "kesehatan")


def test_no_topics_means_all() -> None:
    assert (pack_topics([]), unpack_topics("")) == ("", ())


def test_topics_are_checked_against_those_of_the_city() -> None:
    assert check_topics(["kesehatan", "bansos", "bansos"], TOPICS) == ("bansos", "kesehatan")


@pytest.mark.parametrize(
    ("topic", "sentence"),
    [
        ("kesehatn", 'Topik "kesehatn" tidak dikenal. Maksud Anda kesehatan?'),
        ("darurt", 'Topik "darurt" tidak dikenal. Maksud Anda darurat?'),
        ("xyz", 'Topik "xyz" tidak dikenal. Yang ada: kesehatan, bansos, cuaca, lainnya, darurat.'),
    ],
)
def test_an_unknown_topic_is_refused_with_a_suggestion(topic: str, sentence: str) -> None:
    with refuses(BadValue, match="tidak dikenal") as caught:
        check_topics(["cuaca", topic], TOPICS)
    assert words_of(caught.value) == sentence


def test_emergencies_only_is_a_choice_of_its_own() -> None:
    assert check_topics(["darurat"], TOPICS) == ("darurat",)
    assert check_topics(["darurat", "cuaca"], TOPICS) == ("cuaca",)


def test_areas_become_codes_each_once(tree: AreaTree) -> None:
    assert codes_of(tree, ["cibabat", "32.77.03.1002", "cimahi"]) == ("32.77", "32.77.03.1002")


def test_no_area_at_all_is_refused(tree: AreaTree) -> None:
    with pytest.raises(ValueError, match="sedikitnya satu wilayah"):
        codes_of(tree, [])
    with pytest.raises(ValueError, match="sedikitnya satu wilayah"):
        home_of([])


def test_an_address_is_at_home_in_its_lowest_kelurahan() -> None:
    assert home_of(["32.77", "32.77.01", "32.77.03.1002", "32.77.02.1001"]) == "32.77.02.1001"
    assert home_of(["32.77", "32.77.03", "32.77.01"]) == "32.77.01"
    assert home_of(["32.77"]) == "32.77"


def test_a_choice_is_replaced_as_a_whole(
    conn: Connection, tree: AreaTree, sign_up: Any, look_up: Any
) -> None:
    sign_up("rina@contoh.example", "cibabat melong", topics="cuaca")
    row = look_up("rina@contoh.example")
    assert replace(conn, tree, row.id, areas=["baros", "cimahi"], topics=["kesehatan", "bansos"])
    assert read(conn, row.id) == Choice(
        areas=("32.77", "32.77.02.1001"), topics=("bansos", "kesehatan")
    )
    moved = look_up("rina@contoh.example")
    assert moved.home == "32.77.02.1001"
    assert moved.slot == row.slot


def test_the_same_choice_is_no_change(
    conn: Connection, tree: AreaTree, sign_up: Any, look_up: Any
) -> None:
    sign_up("rina@contoh.example", "cibabat melong", topics="cuaca")
    assert not replace(
        conn, tree, look_up("rina@contoh.example").id, areas=["melong", "cibabat"], topics=["cuaca"]
    )


def test_only_the_topics_may_change(
    conn: Connection, tree: AreaTree, sign_up: Any, look_up: Any
) -> None:
    sign_up("rina@contoh.example", "cibabat")
    address = look_up("rina@contoh.example").id
    assert replace(conn, tree, address, areas=["cibabat"], topics=["darurat"])
    assert read(conn, address) == Choice(areas=("32.77.03.1002",), topics=("darurat",))


def test_a_choice_with_an_unknown_area_changes_nothing(
    conn: Connection, tree: AreaTree, sign_up: Any, look_up: Any
) -> None:
    sign_up("rina@contoh.example", "cibabat")
    address = look_up("rina@contoh.example").id
    with pytest.raises(KeyError):
        replace(conn, tree, address, areas=["lembang"], topics=[])
    assert read(conn, address).areas == ("32.77.03.1002",)


def test_an_unknown_address_asked_for_nothing(conn: Connection) -> None:
    assert read(conn, NOBODY) == Choice(areas=(), topics=())
