"""Who is a second person: no chain of makers joins the two accounts within a day."""

from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain.independence import HOLD_SECONDS, Bond, Control, bond

A, B, C, D = range(1, 5)


def made(*pairs: tuple[int, int], at: float = 100.0) -> list[Control]:
    """The first of each pair made the second."""
    return [Control(account=account, maker=maker, at=at) for maker, account in pairs]


def test_who_shares_no_maker_is_independent() -> None:
    assert bond([], A, [B]) is None
    assert bond(made((C, A), (D, B)), A, [B]) is None
    assert bond(made((B, C)), A, [B]) is None


def test_a_maker_and_what_they_made_are_one_hand_in_either_direction() -> None:
    until = 100.0 + HOLD_SECONDS
    assert bond(made((B, A)), A, [B]) == Bond(controller=B, writer=B, until=until)
    assert bond(made((A, B)), A, [B]) == Bond(controller=A, writer=B, until=until)


def test_a_chain_of_makers_and_a_common_maker_are_one_hand() -> None:
    assert bond(made((A, B), (B, C)), C, [A]) == Bond(
        controller=A, writer=A, until=100.0 + HOLD_SECONDS
    )
    assert bond(made((D, A), (D, B)), A, [B]) == Bond(
        controller=D, writer=B, until=100.0 + HOLD_SECONDS
    )


def test_a_bond_lasts_until_its_oldest_link_is_a_day_old_and_the_longest_counts() -> None:
    chain = [*made((A, B), at=10.0), *made((B, C), at=50.0)]
    found = bond(chain, C, [A])
    assert found is not None
    assert found.until == 10.0 + HOLD_SECONDS
    longest = bond([*chain, *made((A, C), at=40.0)], C, [A])
    assert longest is not None
    assert longest.until == 40.0 + HOLD_SECONDS


def test_makers_in_a_circle_end() -> None:
    assert bond(made((A, B), (B, A), (B, C), (C, A)), C, [D]) is None
    assert bond(made((A, B), (B, A), (B, C)), C, [A]) is not None


@given(pairs=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=12))
def test_nobody_is_a_second_person_beside_anybody_above_them(pairs: list[tuple[int, int]]) -> None:
    controls = made(*pairs)
    for approver in range(1, 7):
        above = {approver}
        while more := {maker for maker, account in pairs if account in above} - above:
            above |= more
        for writer in range(1, 7):
            if writer != approver:
                assert (bond(controls, approver, [writer]) is not None) >= (writer in above)
