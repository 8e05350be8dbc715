"""Audit acts on a correction or withdrawal that waits for a second person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from broadcaster.domain.audit_acts import Act


@dataclass(frozen=True, kw_only=True)
class ProposalActs:
    """Audit acts on a proposal of one kind."""

    propose: Act
    approve: Act
    refuse: Act
    call_back: Act
    take_back: Act
    lapse: Act


ProposalKind = Literal["correction", "withdrawal"]
PROPOSAL_ACTS: Mapping[ProposalKind, ProposalActs] = {
    "correction": ProposalActs(
        propose=Act.PROPOSE_CORRECTION,
        approve=Act.APPROVE_CORRECTION,
        refuse=Act.REFUSE_CORRECTION,
        call_back=Act.CALL_BACK_CORRECTION,
        take_back=Act.TAKE_BACK_CORRECTION,
        lapse=Act.LAPSE_CORRECTION,
    ),
    "withdrawal": ProposalActs(
        propose=Act.PROPOSE_WITHDRAWAL,
        approve=Act.APPROVE_WITHDRAWAL,
        refuse=Act.REFUSE_WITHDRAWAL,
        call_back=Act.CALL_BACK_WITHDRAWAL,
        take_back=Act.TAKE_BACK_WITHDRAWAL,
        lapse=Act.LAPSE_WITHDRAWAL,
    ),
}
