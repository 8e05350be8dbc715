"""Second persons: no chain of makers joins the two accounts within a day."""

from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain.independence import HOLD_SECONDS, Bond, Control, bond

A, B, C, D = range(1, 5)


def controls_of(*pairs: tuple[int, int], at: float = 100.0) -> list[Control]:
    """Return controls in which the first of each pair made the second."""
    return [Control(account=account, maker=maker, at=at) for maker, account in pairs]


def test_who_shares_no_maker_is_independent() -> None:
    assert bond([], A, [B]) is None
    assert bond(controls_of((C, A), (D, B)), A, [B]) is None
    assert bond(controls_of((B, C)), A, [B]) is None


def test_a_maker_and_the_account_they_made_are_bound_in_either_direction() -> None:
    until = 100.0 + HOLD_SECONDS
    assert bond(controls_of((B, A)), A, [B]) == Bond(controller=B, writer=B, until=until)
    assert bond(controls_of((A, B)), A, [B]) == Bond(controller=A, writer=B, until=until)


def test_a_chain_of_makers_and_a_common_maker_bind_two_accounts() -> None:
    assert bond(controls_of((A, B), (B, C)), C, [A]) == Bond(
        controller=A, writer=A, until=100.0 + HOLD_SECONDS
    )
    assert bond(controls_of((D, A), (D, B)), A, [B]) == Bond(
        controller=D, writer=B, until=100.0 + HOLD_SECONDS
    )


def test_a_bond_lasts_until_its_oldest_link_is_a_day_old_and_the_longest_counts() -> None:
    chain = [*controls_of((A, B), at=10.0), *controls_of((B, C), at=50.0)]
    shortest = bond(chain, C, [A])
    assert shortest is not None
    assert shortest.until == 10.0 + HOLD_SECONDS
    longest = bond([*chain, *controls_of((A, C), at=40.0)], C, [A])
    assert longest is not None
    assert longest.until == 40.0 + HOLD_SECONDS


def test_makers_in_a_circle_end() -> None:
    assert bond(controls_of((A, B), (B, A), (B, C), (C, A)), C, [D]) is None
    assert bond(controls_of((A, B), (B, A), (B, C)), C, [A]) is not None


@given(pairs=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=12))
def test_nobody_is_a_second_person_beside_anybody_above_them(pairs: list[tuple[int, int]]) -> None:
    controls = controls_of(*pairs)
    for approver in range(1, 7):
        above = {approver}
        while makers := {maker for maker, account in pairs if account in above} - above:
            above |= makers
        for writer in range(1, 7):
            if writer != approver:
                assert (bond(controls, approver, [writer]) is not None) >= (writer in above)
