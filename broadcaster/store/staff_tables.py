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
    "custody",
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
    Column("name", Text, nullable=False, unique=True),  # signs in with it; lower case
    Column("full_name", Text, nullable=False),
    Column("roles", Text, nullable=False),  # space separated: author approver screens admin
    # JSON list of names; empty: every agency
    Column("agencies", Text, nullable=False, default="[]"),
    # codes, space separated; empty: the whole city
    Column("areas", Text, nullable=False, default=""),
    # Argon2id; empty: none, only single sign-on
    Column("password", Text, nullable=False, default=""),
    # a password that somebody else chose
    Column("must_change", Boolean, nullable=False, default=False),
    Column("totp", LargeBinary),  # the shared secret, AES-GCM; NULL: no second factor
    # last 30 s step used, so that no code serves twice
    Column("totp_step", BigInteger, nullable=False, default=0),
    Column("issuer", Text),  # single sign-on: who says it ..
    Column("subject", Text),  # .. and who it is there
    Column("email", Text, nullable=False, default=""),  # where nudges go
    Column("telegram", Text, nullable=False, default=""),  # chat id for nudges
    Column("created_at", Double, nullable=False),
    Column("disabled_at", Double),
    Column("seen_at", Double),
    UniqueConstraint("issuer", "subject"),
)

account_control = Table(
    "account_control",
    metadata,
    # who of staff gave an account what lets somebody sign in with it, or what it may do: they are no second person for a while
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("maker", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("act", Text, nullable=False),  # as in the audit
    Column("at", Double, nullable=False),
    Index("account_control_recent", "at"),
)

former_mail = Table(
    "former_mail",
    metadata,
    # where somebody was told until their address was changed, for a day: whoever changes it hides nothing from them
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
    # names the session in lists; of no use to sign in
    Column("id", Text, nullable=False, unique=True),
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("csrf", Text, nullable=False),  # what this session's forms must carry
    Column("way", Text, nullable=False),  # password | totp | recovery | oidc
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("agent", Text, nullable=False),  # browser and system in words
    Column("place", Text, nullable=False),  # address it came from
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
    # until when a refusal said to wait; 0: none did
    Column("told", Double, nullable=False, default=0.0, server_default="0"),
    sqlite_with_rowid=False,
)

sign_in_line = Table(
    "sign_in_line",
    metadata,
    # who waits for a turn at a name that is guessed at from everywhere, as keyed hashes; gone a minute after its time
    Column("key", LargeBinary, primary_key=True),  # name and address together
    Column("name", LargeBinary, nullable=False),
    Column("rank", Integer, nullable=False),  # how much they tried before: less goes first
    Column("told", Double, nullable=False),  # when they were told to come again
    Index("sign_in_line_name", "name", "rank"),
    sqlite_with_rowid=False,
)

proxy_sighting = Table(
    "proxy_sighting",
    metadata,
    # proxies whose visitors all count as one address, for doctor
    Column("kind", Text, primary_key=True),  # untrusted | silent
    # an address of our own network; empty: the open internet
    Column("peer", Text, primary_key=True),
    Column("last_at", Double, nullable=False),
    sqlite_with_rowid=False,
)

code_guard = Table(
    "code_guard",
    metadata,
    # wrong codes of a second factor in a row; gone with a right one
    Column("account", BigInteger, ForeignKey("account.id"), primary_key=True),
    # keyed hash of a known browser; empty: all others together
    Column("browser", LargeBinary, primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("stopped_at", Double),  # when codes were last stopped
    Column("told_at", Double),  # when the owner was told
    sqlite_with_rowid=False,
)

draft_version = Table(
    "draft_version",
    metadata,
    # every version of an announcement's form as somebody left it
    Column("announcement", Text, ForeignKey("announcement.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("act", Text, nullable=False),  # edit | submit | restore | correct
    Column("form", Text, nullable=False),  # JSON of the form, as typed
    # characters it lost to later changes folded into it
    Column("lost", Integer, nullable=False, default=0, server_default="0"),
    Index("draft_version_actor", "announcement", "actor"),
)

proposal = Table(
    "proposal",
    metadata,
    # a correction or withdrawal of what is published, waiting for a second person; one at a time for each announcement
    Column("announcement", Text, ForeignKey("announcement.id"), primary_key=True),
    Column("change", Text, nullable=False),  # correction | withdrawal
    Column("form", Text, nullable=False),  # JSON of the form; "{}" for a withdrawal
    Column("reason", Text, nullable=False),
    Column("bound", Text, nullable=False),  # what an approval is bound to
    Column("actor", Text, nullable=False),
    Column("at", Double, nullable=False),
    # actor; set while it is held
    Column("approved_by", Text, nullable=False, default="", server_default=""),
    Column("release_at", Double),  # when an approved one is published of itself
    sqlite_with_rowid=False,
)

form_act = Table(
    "form_act",
    metadata,
    # forms that were sent once, so that the same form sent again does nothing again; kept for two days
    # whose form; 0: the command line
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("form", Text, primary_key=True),  # the id that the page gave it
    # what it made, e.g. the id of a draft
    Column("result", Text, nullable=False, default="", server_default=""),
    Column("at", Double, nullable=False),
    Index("form_act_at", "at"),
    sqlite_with_rowid=False,
)

nudge = Table(
    "nudge",
    metadata,
    # who must act and is to be told: written in the transaction of what happened, sent by a worker
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("account", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("announcement", Text, nullable=False),  # or whose account it is about: "staff:budi"
    Column("reason", Text, nullable=False),  # see nudges.Reason
    Column("at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("sent_at", Double),  # when the first way took it
    # ways that took it or never will, space separated
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
    # one-time codes by which a person's own chat is joined to their account; a person has one at most
    Column("account", BigInteger, ForeignKey("account.id"), primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False, unique=True),  # keyed hash of the code
    Column("until", Double, nullable=False),
)

recurring = Table(
    "recurring",
    metadata,
    # templates of notices that come again
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("form", Text, nullable=False),  # JSON of the form
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    # JSON list; empty: its words were finished; else each bracket of its form is left open
    Column("blanks", Text),
)

media = Table(
    "media",
    metadata,
    # pictures that staff uploaded, re-encoded; the files lie in the media folder or in an object store
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
    # what kept an emergency from going out by a channel, from when to when: its people are told once, and when it is over
    Column("announcement", Text, ForeignKey("announcement.id"), primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("since", Double, primary_key=True),
    Column("cause", Text, nullable=False),  # see waiting.Cause
    Column("why", Text, nullable=False, default=""),  # in words, where a message was stopped
    Column("messages", Integer, nullable=False),  # that wait
    # when the first of them is tried again; NULL: nobody knows, or a person must act
    Column("until", Double),
    Column("seen_at", Double, nullable=False),  # last
    Column("told_at", Double),  # when its people were to be told
    Column("over_at", Double),  # NULL: it still waits
    Index("hold_up_open", "over_at"),
    sqlite_with_rowid=False,
)

custody = Table(
    "custody",
    metadata,
    # where this database is at home, one row: a copy of it that wakes elsewhere, or an older state of it, sends nothing
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("home", Text, nullable=False),  # JSON of custody.Home
    # rises while the program runs; the same stands beside the database
    Column("mark", BigInteger, nullable=False),
    Column("held_at", Double),  # since when nothing is sent; NULL: it is at home
    Column("held_because", Text, nullable=False, default=""),  # moved | older
)
