"""The tables of announcements and editions, the delivery ledger, receipts, workers and access.

Times are epoch seconds UTC (double). Text that people wrote is JSON or text; addresses never appear
here.
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
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from broadcaster.domain.deliveries import PENDING, STATES

metadata = MetaData()
big_key = BigInteger().with_variant(Integer, "sqlite")

announcement = Table(
    "announcement",
    metadata,
    Column("id", Text, primary_key=True),  # 32 hex digits, time-ordered
    Column("code", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("fields", Text, nullable=False),  # JSON of domain.fields.Fields
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("publish_at", Double),
    Column("published_at", Double),
    Column("expires_at", Double),
    Column("created_by", Text, nullable=False),
    Column("training", Boolean, nullable=False, default=False),
    # why a person must act, e.g. a missed schedule
    Column("note", Text, nullable=False, default=""),
    # columns of the newsroom
    # JSON of the form as typed; "": never opened in the composer
    Column("form", Text, nullable=False, default="", server_default=""),
    # of the form; each change adds 1
    Column("version", Integer, nullable=False, default=0, server_default="0"),
    # content_hash under review or approved
    Column("bound", Text, nullable=False, default="", server_default=""),
    Column("submitted_by", Text, nullable=False, default="", server_default=""),
    Column("submitted_at", Double),
    Column("approved_by", Text, nullable=False, default="", server_default=""),
    Column("approved_at", Double),
    Column("release_at", Double),  # when an approved one is published automatically
    # JSON: placeholders that its template left open
    Column("blanks", Text, nullable=False, default="", server_default=""),
    # copies from `fields`, by which lists are filtered
    Column("title", Text, nullable=False, default="", server_default=""),
    # code, title, summary, body, agency; lower case
    Column("words", Text, nullable=False, default="", server_default=""),
    Column("level", Text, nullable=False, default="info", server_default="info"),
    Column("topic", Text, nullable=False, default="", server_default=""),
    Column("agency", Text, nullable=False, default="", server_default=""),
    Index("announcement_due", "state", "publish_at"),
    Index("announcement_over", "state", "expires_at"),
    Index("announcement_newest", "published_at"),
    Index("announcement_listed", "state", "updated_at", "id"),
    Index("announcement_release", "state", "release_at"),
)

edition = Table(
    "edition",
    metadata,
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("announcement", Text, ForeignKey("announcement.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("document", Text, nullable=False),  # canonical JSON of channels.base.contract.Edition
    Column("signature", Text, nullable=False),  # Ed25519 over the document's bytes, base64
    Column("key_id", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("topic", Text, nullable=False),
    # the chosen ones, each between spaces; empty: all
    Column("channels", Text, nullable=False, default=""),
    Column("published_at", Double, nullable=False),
    Column("first_published_at", Double, nullable=False),
    Column("expires_at", Double),
    # False once a later edition of the announcement exists
    Column("newest", Boolean, nullable=False),
    Column("withdrawn", Boolean, nullable=False, default=False),
    # number of different recipients; NULL until all rows exist and are counted
    Column("people", BigInteger),
    UniqueConstraint("announcement", "number"),
    Index("edition_newest", "newest", "first_published_at"),
)

edition_area = Table(
    "edition_area",
    metadata,
    # every area the edition concerns: its own, those that contain them, those within them
    Column("edition", BigInteger, primary_key=True),
    Column("area", Text, primary_key=True),
    # only an earlier edition concerned it: its feeds and screens show the change, no new recipients
    Column("former", Boolean, nullable=False, default=False, server_default=false()),
    Index("edition_area_area", "area", "edition"),
    sqlite_with_rowid=False,
)

search_word = Table(
    "search_word",
    metadata,
    # every word of the public archive once, lower case, for searches (store/search.py)
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("word", Text, nullable=False, unique=True),
)

search_posting = Table(
    "search_posting",
    metadata,
    # words of each newest edition
    Column("word", BigInteger, primary_key=True),
    Column("edition", BigInteger, primary_key=True),
    Index("search_posting_edition", "edition", "word"),
    sqlite_with_rowid=False,
)

run = Table(
    "run",
    metadata,
    # the outbox: one row per edition and push channel, written by publish() in its own transaction
    Column("edition", BigInteger, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("lane", Text, nullable=False),  # emergency | routine
    # preparing | running | paused | stopped | superseded | done
    Column("state", Text, nullable=False),
    # reason in words when paused or stopped
    Column("stopped_by", Text, nullable=False, default=""),
    # the edition whose recipients this one goes to (correction, withdrawal)
    Column("follows", BigInteger),
    Column("cursor", BigInteger, nullable=False, default=-1),  # last slot that was filled
    Column("sealed", Boolean, nullable=False, default=False),
    Column("total", BigInteger, nullable=False, default=0),
    # turns taken, for round robin within the lane
    Column("served", BigInteger, nullable=False, default=0),
    Column("due_at", Double, nullable=False, default=0),  # not before
    Column("owner", Text),  # lease of the fan-out
    Column("lease_until", Double),
    Column("epoch", Integer, nullable=False, default=0),
    Column("published_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("finished_at", Double),
    # last slot whose row became a count
    Column("folded_to", BigInteger, nullable=False, default=-1, server_default="-1"),
    Index("run_work", "channel", "lane", "state"),
    Index("run_finished", "folded_to", "finished_at"),
    sqlite_with_rowid=False,
)


slice_ = Table(
    "slice",
    metadata,
    # a contiguous range of slots of one run, claimed as a whole under a lease
    Column("edition", BigInteger, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("lane", Text, nullable=False),
    Column("after_slot", BigInteger, nullable=False),  # exclusive
    Column("last_slot", BigInteger, nullable=False),  # inclusive
    Column("open", Integer, nullable=False),  # pending + sending
    Column("due_at", Double, nullable=False, default=0),  # when its earliest open row may be tried
    Column("owner", Text),
    Column("lease_until", Double),
    Column("epoch", Integer, nullable=False, default=0),
    Column("possible_duplicates", Integer, nullable=False, default=0),
    *(Column(f"n_{state}", Integer, nullable=False, default=0) for state in STATES),
    Index("slice_work", "channel", "lane", "edition", "number"),
    sqlite_with_rowid=False,
)

delivery = Table(
    "delivery",
    metadata,
    # one row per edition and address; no index contains the state
    Column("edition", BigInteger, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("slot", BigInteger, primary_key=True),
    Column("address", BigInteger, nullable=False),
    Column("area", Text, nullable=False),  # the area under which it is counted
    Column("state", SmallInteger, nullable=False, default=PENDING),
    Column("attempt", SmallInteger, nullable=False, default=0),  # times marked `sending`
    # attempts that count for the retry waits
    Column("spent", SmallInteger, nullable=False, default=0),
    # attempts sent but never answered
    Column("uncertain", SmallInteger, nullable=False, default=0),
    Column("due_at", Double, nullable=False, default=0),
    Column("reason", Text),
    Column("provider_code", Text),
    Column("provider_key", Text),  # keyed hash of the provider's id, which may contain the address
    # of a message that a correction edits, where the provider numbers them
    Column("message_number", BigInteger),
    Column("closed_at", Double),
    sqlite_with_rowid=False,
)

folded = Table(
    "folded",
    metadata,
    # counts of old editions' rows, which are deleted
    Column("edition", BigInteger, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("area", Text, primary_key=True),
    Column("state", SmallInteger, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("provider_code", Text, primary_key=True),
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)

PARTIAL = "where"
"""Key of an index's `info` with its condition. store/migrate.py hands it to the dialects: naming
`postgresql_where` here would import PostgreSQL's dialect into each command (30 ms).
"""

receipt = Table(
    "receipt",
    metadata,
    # inbox of receipts and residents' messages; bodies encrypted, dedupe keys are keyed hashes
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("channel", Text, nullable=False),
    Column("dedupe", LargeBinary, nullable=False),
    Column("body", LargeBinary),  # AES-GCM of the event (msgpack); NULL once applied
    Column("received_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("applied_at", Double),
    # see store/inbox.py; NULL once applied
    Column("priority", SmallInteger),
    UniqueConstraint("channel", "dedupe"),
    Index("receipt_applied", "applied_at"),
    Index("receipt_turn", "priority", "due_at", "id", info={PARTIAL: text("priority IS NOT NULL")}),
)

provider_message = Table(
    "provider_message",
    metadata,
    # maps a provider's message id to its delivery when our callback data is missing
    Column("channel", Text, primary_key=True),
    Column("provider_key", Text, primary_key=True),  # keyed hash
    Column("edition", BigInteger, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Index("provider_message_delivery", "edition", "slot"),
    sqlite_with_rowid=False,
)


sweeper = Table(
    "sweeper",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", Text),
    Column("lease_until", Double),
)

worker = Table(
    "worker",
    metadata,
    # live workers, for sharing the rate when Redis is unavailable
    Column("owner", Text, primary_key=True),
    Column("lane", Text, nullable=False),
    Column("seen_at", Double, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the token
    Column("scopes", Text, nullable=False),  # space separated
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
    Column("revoked_at", Double),
)

key_binding = Table(
    "key_binding",
    metadata,
    # secret key of this database: a single row, written once
    Column("one", Integer, primary_key=True, autoincrement=False),
    # derived from the key for this purpose alone
    Column("fingerprint", LargeBinary, nullable=False),
    Column("at", Double, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("token", BigInteger, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request", LargeBinary, nullable=False),  # SHA-256 of the request body
    Column("status", Integer),
    Column("answer", Text),
    Column("at", Double, nullable=False),
)

custody = Table(
    "custody",
    metadata,
    # home of this database, a single row: a copy elsewhere, or an older state of it, sends nothing
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("home", Text, nullable=False),  # JSON of custody.Home
    # rises while the program runs; a copy is stored beside the database
    Column("mark", BigInteger, nullable=False),
    Column("held_at", Double),  # since when sending is held; NULL: it is at home
    Column("held_because", Text, nullable=False, default=""),  # moved | older
)
