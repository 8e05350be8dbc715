"""The tables of staff: accounts, their sessions and second factors, failed sign-ins, versions of
drafts, nudges.

Times are epoch seconds UTC (double). Passwords, tokens and recovery codes are stored as hashes
only.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

import broadcaster.store.channel_tables  # noqa: F401  # so that `metadata` holds every table
from broadcaster.store.audit_tables import audit
from broadcaster.store.tables import big_key, metadata

__all__ = [
    "account",
    "account_control",
    "audit",
    "code_guard",
    "draft_version",
    "form_act",
    "former_mail",
    "hold_up",
    "link_code",
    "media",
    "metadata",
    "nudge",
    "proposal",
    "proxy_sighting",
    "recovery_code",
    "recurring",
    "session",
    "sign_in_line",
    "throttle",
]

account = Table(
    "account",
    metadata,
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),  # for signing in; lower case
    Column("full_name", Text, nullable=False),
    Column("roles", Text, nullable=False),  # space separated: author approver screens admin
    # JSON list of names; empty: every agency
    Column("agencies", Text, nullable=False, default="[]"),
    # codes, space separated; empty: the whole city
    Column("areas", Text, nullable=False, default=""),
    # Argon2id; empty: none, only single sign-on
    Column("password", Text, nullable=False, default=""),
    # the password was chosen by somebody else
    Column("must_change", Boolean, nullable=False, default=False),
    Column("totp", LargeBinary),  # the shared secret, AES-GCM; NULL: no second factor
    # last 30 s step used, so that no code is accepted twice
    Column("totp_step", BigInteger, nullable=False, default=0),
    Column("issuer", Text),  # of single sign-on
    Column("subject", Text),  # id at that issuer
    Column("email", Text, nullable=False, default=""),  # address for nudges
    Column("telegram", Text, nullable=False, default=""),  # chat id for nudges
    Column("created_at", Double, nullable=False),
    Column("disabled_at", Double),
    Column("seen_at", Double),
    UniqueConstraint("issuer", "subject"),
)

account_control = Table(
    "account_control",
    metadata,
    # staff who gave an account credentials or rights: for a while they are no second person for it
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("maker", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("act", Text, nullable=False),  # as in the audit log
    Column("at", Double, nullable=False),
    Index("account_control_recent", "at"),
)

former_mail = Table(
    "former_mail",
    metadata,
    # former mail addresses, notified for a day after the change, so that no change is hidden
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("mail", LargeBinary, nullable=False),  # AES-GCM
    Column("at", Double, nullable=False),  # when it was changed
    Index("former_mail_account", "account", "at"),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("account", BigInteger, ForeignKey("account.id"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),  # keyed hash of the code
    Column("used_at", Double),
)

session = Table(
    "session",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the cookie's value
    # names the session in lists; cannot be used to sign in
    Column("id", Text, nullable=False, unique=True),
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("csrf", Text, nullable=False),  # token that this session's forms must contain
    Column("way", Text, nullable=False),  # password | totp | recovery | oidc
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("agent", Text, nullable=False),  # browser and system, in words
    Column("place", Text, nullable=False),  # client address
    # id token of single sign-on, for signing out there
    Column("hint", Text, nullable=False, default=""),
    Index("session_account", "account"),
)

throttle = Table(
    "throttle",
    metadata,
    # failed sign-ins, by account name and by address, as keyed hashes
    Column("key", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("at", Double, nullable=False),  # last
    # until when the last refusal said to wait; 0: none did
    Column("told", Double, nullable=False, default=0.0, server_default="0"),
    sqlite_with_rowid=False,
)

sign_in_line = Table(
    "sign_in_line",
    metadata,
    # visitors waiting for a turn at a name under attack, as keyed hashes; deleted a minute later
    Column("key", LargeBinary, primary_key=True),  # name and address together
    Column("name", LargeBinary, nullable=False),
    Column("rank", Integer, nullable=False),  # earlier tries: fewer go first
    Column("told", Double, nullable=False),  # when they may try again
    Index("sign_in_line_name", "name", "rank"),
    sqlite_with_rowid=False,
)

proxy_sighting = Table(
    "proxy_sighting",
    metadata,
    # proxies whose visitors all count as one address, for `broadcaster doctor`
    Column("kind", Text, primary_key=True),  # untrusted | silent
    # an address of our own network; empty: the open internet
    Column("peer", Text, primary_key=True),
    Column("last_at", Double, nullable=False),
    sqlite_with_rowid=False,
)

code_guard = Table(
    "code_guard",
    metadata,
    # consecutive wrong codes of a second factor; deleted by a right one
    Column("account", BigInteger, ForeignKey("account.id"), primary_key=True),
    # keyed hash of a known browser; empty: all others together
    Column("browser", LargeBinary, primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("stopped_at", Double),  # when codes were last stopped
    Column("told_at", Double),  # when the owner was notified
    sqlite_with_rowid=False,
)

draft_version = Table(
    "draft_version",
    metadata,
    # every version of an announcement's form
    Column("announcement", Text, ForeignKey("announcement.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("act", Text, nullable=False),  # edit | submit | restore | correct
    Column("form", Text, nullable=False),  # JSON of the form, as typed
    # characters cut by later changes merged into it
    Column("lost", Integer, nullable=False, default=0, server_default="0"),
    Index("draft_version_actor", "announcement", "actor"),
)

proposal = Table(
    "proposal",
    metadata,
    # corrections and withdrawals that wait for a second person; at most one per announcement
    Column("announcement", Text, ForeignKey("announcement.id"), primary_key=True),
    Column("change", Text, nullable=False),  # correction | withdrawal
    Column("form", Text, nullable=False),  # JSON of the form; "{}" for a withdrawal
    Column("reason", Text, nullable=False),
    Column("bound", Text, nullable=False),  # what an approval is bound to (newsroom/corrections.py)
    Column("actor", Text, nullable=False),
    Column("at", Double, nullable=False),
    # actor; set while it is held
    Column("approved_by", Text, nullable=False, default="", server_default=""),
    Column("release_at", Double),  # when an approved one is published automatically
    sqlite_with_rowid=False,
)

form_act = Table(
    "form_act",
    metadata,
    # submitted forms, so that a repeated submission has no further effect; kept for two days
    # whose form; 0: the command line
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("form", Text, primary_key=True),  # the id that the page gave it
    # result, e.g. the id of a draft
    Column("result", Text, nullable=False, default="", server_default=""),
    Column("at", Double, nullable=False),
    Index("form_act_at", "at"),
    sqlite_with_rowid=False,
)

nudge = Table(
    "nudge",
    metadata,
    # notices to staff: written in the transaction of their cause, sent by a worker
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("announcement", Text, nullable=False),  # or an account: "staff:budi"
    Column("reason", Text, nullable=False),  # see nudges.Reason
    Column("at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("sent_at", Double),  # when the first channel took it
    # channels that took it or never will, space separated
    Column("settled", Text, nullable=False, default="", server_default=""),
    # told | moot | unreachable | given_up; "": open
    Column("outcome", Text, nullable=False, default="", server_default=""),
    Column("problem", Text, nullable=False, default=""),  # why the last try failed, without address
    UniqueConstraint("account", "announcement", "reason", "at"),
    Index("nudge_due", "outcome", "due_at"),
)

link_code = Table(
    "link_code",
    metadata,
    # one-time codes that link a person's chat to their account; at most one per person
    Column("account", BigInteger, ForeignKey("account.id"), primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False, unique=True),  # keyed hash of the code
    Column("until", Double, nullable=False),
)

recurring = Table(
    "recurring",
    metadata,
    # templates of recurring notices
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("form", Text, nullable=False),  # JSON of the form
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    # JSON list; empty: no bracket of its form is a placeholder, else each is
    Column("blanks", Text),
)

media = Table(
    "media",
    metadata,
    # uploaded pictures, re-encoded; their files are in the media folder or an object store
    Column("id", Text, primary_key=True),  # of the re-encoded bytes: SHA-256, first 32 hex digits
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("sizes", Text, nullable=False),  # JSON: variant -> bytes
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
)

hold_up = Table(
    "hold_up",
    metadata,
    # delays of emergencies by channel; staff are notified once, and again when one is over
    Column("announcement", Text, ForeignKey("announcement.id"), primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("since", Double, primary_key=True),
    Column("cause", Text, nullable=False),  # see waiting.Cause
    Column("why", Text, nullable=False, default=""),  # in words, where a message was stopped
    Column("messages", Integer, nullable=False),  # that wait
    # when the earliest is tried again; NULL: unknown, or a person must act
    Column("until", Double),
    Column("seen_at", Double, nullable=False),  # last
    Column("told_at", Double),  # when staff were notified
    Column("over_at", Double),  # NULL: it continues
    Index("hold_up_open", "over_at"),
    sqlite_with_rowid=False,
)
