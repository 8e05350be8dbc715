"""Meta's error codes and HTTP responses mapped to outcomes of messages."""

from collections.abc import Mapping
from dataclasses import replace

import structlog

from channels.base import http
from channels.base.meta.answers import GraphError, answer_of, wait_of
from channels.base.outcomes import (
    Deferred,
    Failure,
    Halted,
    Outcome,
    Receipt,
    Refused,
    Rejected,
    Skipped,
)

PAIR_WAIT = 6.0
"""Seconds until the same person can be written to again; quadrupled with each further attempt."""

log = structlog.get_logger(__name__)

_ACCOUNT = Halted(about="either")
"""The error names our token, number or account and so affects every message, but it came in reply
to one; only several are believed.
"""
_PERSON = Halted(about="recipient")
"""The error may be about this person's country, number or account."""
_DOWN = Deferred(about="recipient")
_TEMPLATE = Rejected(whole_edition=True)
"""Error of a template in one language, which some recipients have: several of them stop the
edition.
"""
ERRORS: tuple[tuple[tuple[int, ...], Failure], ...] = (
    (
        (131026, 131021),
        Refused(reason="address_dead"),
    ),  # not on WhatsApp, old app, blocked; our own number
    ((131050,), Refused(reason="opted_out")),
    ((131049, 130472), Skipped()),  # cap per person; experiment
    ((131062, 131047), Skipped()),  # id unsupported here; reply window closed
    ((130497,), _PERSON),  # country not allowed; for numbers abroad Skipped
    (
        (4, 80007, 130429),
        Deferred(throttle=True),
    ),  # of app, account and number: every message is too fast
    ((131056,), Deferred(throttle=True, scope="address", retry_after=PAIR_WAIT)),
    # spam, quality, registration: the number should rest for an hour, but one reply cannot enforce
    # that
    (
        (131048, 131064, 133016),
        Deferred(retry_after=3600.0, throttle=True, alarm=True, about="either"),
    ),
    ((1, 2, 131000, 131016, 135000, 137000), _DOWN),  # unknown, down
    ((131057,), Halted(resume="probe", about="either")),  # maintenance, upgrade
    ((131052, 131053), _DOWN),  # media
    ((0, 3, 10, 190, *range(200, 300)), _ACCOUNT),  # token, permission
    ((131005, 368), _PERSON),  # access denied, policy block: also given for a person's account
    ((131030,), _PERSON),  # not an allowed recipient of a test number
    ((33, 131037, 131045, *range(133000, 133016)), _ACCOUNT),  # number, registration
    ((131031, 131042, 131044), _ACCOUNT),  # lock, payment
    ((100, 131008, 131009, 131051), Rejected()),  # parameter, type
    ((132000, 132001, 132005, 132007, 132008, 132012, 132018), _TEMPLATE),  # template structure
    ((132015, 132016, 132068, 132069, 131063), _TEMPLATE),  # paused, disabled; flow; marketing off
)
"""Meta's error codes and their outcomes. Each is a reply to one message: none halts the channel
alone.
"""

_BY_CODE = {code: failure for codes, failure in ERRORS for code in codes}


def failure_of(
    error: GraphError, *, status: int, address: str, attempt: int = 1, wait: float | None = None
) -> Failure:
    """Map an error to the outcome of its message.

    `status` is the HTTP status, 0 in a webhook; `wait` is the delay in seconds that the provider
    asks for.
    """
    known = _BY_CODE.get(error.code) or _by_status(status, error.code)
    if error.code == 130497 and not address.startswith(("62", "ID.")):
        known = Skipped()
    if isinstance(known, Deferred) and known.scope == "address":
        known = replace(known, retry_after=min(PAIR_WAIT * 4 ** (attempt - 1), 3600.0))
    elif isinstance(known, Deferred) and known.throttle and wait is not None:
        known = replace(known, retry_after=max(wait, known.retry_after or 0.0))
    code = str(error.code) if error.code >= 0 else f"HTTP {status}" if status else "no code"
    return replace(known, code=code, detail=error.detail)


def _by_status(status: int, code: int) -> Failure:
    if status == 429:
        return Deferred(throttle=True)
    if status >= 500:
        return _DOWN
    log.warning("whatsapp_unknown_error", status=status, code=code)
    if 300 <= status < 400:
        return Halted()  # an unrelated server answers for Meta: send it nothing more
    return _ACCOUNT if status in {401, 403} else Rejected()


def outcome_of(
    status: int, headers: Mapping[str, str], body: bytes, *, address: str, attempt: int = 1
) -> Outcome:
    """Map the response to a message to the message's outcome."""
    answer = answer_of(body)
    if not 200 <= status < 300 or answer.error.code >= 0:
        return failure_of(
            answer.error,
            status=status,
            address=address,
            attempt=attempt,
            wait=wait_of(headers),
        )
    if not answer.messages or not answer.messages[0].id:
        return Deferred(uncertain=True, code=f"HTTP {status}", detail="answer without a message id")
    if answer.names and address not in answer.names:
        return http.FOREIGN
    if held := (answer.messages[0].message_status or "").removeprefix("accepted"):
        log.warning("whatsapp_template_held", status=held)
    ids = dict.fromkeys(
        known for person in answer.contacts for known in (person.user_id, person.wa_id)
    )
    aliases = tuple(known for known in ids if known and known != address)
    return Receipt(provider_id=answer.messages[0].id, aliases=aliases, detail=held)
