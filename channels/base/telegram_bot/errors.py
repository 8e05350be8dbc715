"""Errors of the Bot API, as raised by python-telegram-bot ("PTB"), and their outcomes."""

import re
from dataclasses import replace
from datetime import timedelta

import structlog
from telegram import error

from channels.base import http
from channels.base.outcomes import Deferred, Failure, Halted, Refused, Rejected, Skipped
from channels.base.redaction import redacted

log = structlog.get_logger(__name__)

_GONE = Refused(reason="address_dead")
DESCRIPTIONS: tuple[tuple[str, Failure], ...] = (
    ("bot was blocked by the user|user_is_blocked|bot was kicked", Refused(reason="opted_out")),
    (
        "user is deactivated|user_deactivated|can't initiate conversation|"
        "can't send messages to bots|bot is not a member",
        _GONE,
    ),
    ("chat not found|peer_id_invalid|chat_id_invalid|user not found|channel_private", _GONE),
    ("group is deactivated|group chat was deactivated|group chat was deleted", _GONE),
    ("thread not found|topic_closed|topic_deleted|topic_id_invalid", Skipped()),
    ("not enough rights|have no rights|need administrator rights|chat_admin_required", Skipped()),
    ("chat_restricted|user_restricted|chat_[a-z_]*forbidden|payment_required", Skipped()),
    (
        "too long|too_long|text is empty|message_empty|can't parse entities|entity_[a-z_]*invalid",
        Rejected(),
    ),
    ("button_[a-z_]*invalid|keyboard button|reply_markup_invalid", Rejected()),
    (
        "wrong file identifier|failed to get http url content|file is too big",
        Rejected(whole_edition=True),
    ),
)
"""Patterns for the lower-case description of a 400 or 403, and their outcomes."""
_STATUSES: dict[str, Failure] = {
    "413": Rejected(code="413", detail="request too large", whole_edition=True),
    "429": Deferred(retry_after=5, throttle=True, code="429", detail="rate limit", about="either"),
}
NOT_MODIFIED = "message is not modified"
NO_TEXT = "no text in the message"
NOT_FOUND = "message to edit not found|message_id_invalid"


def failure_of(problem: error.TelegramError) -> Failure:
    """Map a PTB exception to one of the five failures.

    The order matters: BadRequest and TimedOut are NetworkErrors too.
    """
    match problem:
        case error.RetryAfter():
            wait = problem.retry_after
            seconds = wait.total_seconds() if isinstance(wait, timedelta) else wait
            # a group has its own limit; when the whole bot is limited, every call reports it
            return Deferred(
                retry_after=seconds, throttle=True, code="429", detail="rate limit", about="either"
            )
        case error.ChatMigrated():
            moved = str(problem.new_chat_id)
            return Deferred(
                retry_after=0,
                throttle=True,
                scope="address",
                code="400",
                detail="chat migrated",
                moved_to=moved,
            )
        case error.Forbidden():
            return _described("403", problem.message, Skipped())
        case error.InvalidToken():
            # 401 is about our token and so affects all; but PTB reports a 404 the same way, and a
            # proxy may send either for a single message
            return Halted(code="401", detail="token refused", about="either")
        case error.Conflict():
            return Deferred(
                code="409",
                detail="another program reads this bot's updates",
                alarm=True,
                about="recipient",
            )
        case error.BadRequest():
            return _described("400", problem.message, Rejected())
        case error.NetworkError(message=message) if status := re.search(
            r"\((413|429|5..)\)$", message
        ):
            return _STATUSES.get(
                status[1], Deferred(code=status[1], detail="server error", about="recipient")
            )
        case error.TimedOut() | error.NetworkError():
            return http.deferred(problem.__cause__ or problem)
        case _:
            return Deferred(
                code=type(problem).__name__, detail=redacted(problem.message), about="recipient"
            )


def _described(status: str, description: str, otherwise: Failure) -> Failure:
    description = redacted(description)
    for pattern, failure in DESCRIPTIONS:
        if match := re.search(pattern, description.lower()):
            return replace(failure, code=f"{status} {match[0]}", detail=description)
    log.warning("telegram_unknown_description", status=status, description=description)
    return replace(otherwise, code=f"{status} {_named(description)}".strip(), detail=description)


def _named(description: str) -> str:
    """Return a short name for an unknown description, the same for all recipients."""
    words = re.findall(
        "[a-z_']+", description.lower().removeprefix("bad request: ").removeprefix("forbidden: ")
    )
    return " ".join(words)[:48].strip()
