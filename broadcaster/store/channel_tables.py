"""Tables of channels: state, results a minute, rates, suspicions, people reached, hubs.

Times are epoch seconds UTC (double).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    false,
)

from broadcaster.store.tables import metadata

channel_state = Table(
    "channel_state",
    metadata,
    # state that must survive an emptied Redis: pauses, circuit breaker, mass-suppression breaker
    Column("channel", Text, primary_key=True),
    Column("paused_until", Double, nullable=False, default=0),
    Column("halted", Text, nullable=False, default=""),  # "" | probe | manual
    Column("detail", Text, nullable=False, default=""),
    Column("since", Double),
    Column("next_probe", Double),
    # suppressions are held for an operator
    Column("holding", Boolean, nullable=False, default=False),
    # closed because of replies about single recipients: emergencies continue, a success reopens it
    Column("suspected", Boolean, nullable=False, default=False, server_default=false()),
)


channel_minute = Table(
    "channel_minute",
    metadata,
    # results a minute, for the mass-suppression breaker
    Column("channel", Text, primary_key=True),
    Column("minute", BigInteger, primary_key=True),
    Column("results", Integer, nullable=False),
    Column("dead", Integer, nullable=False),
    sqlite_with_rowid=False,
)


held_suppression = Table(
    "held_suppression",
    metadata,
    Column("address", BigInteger, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Double, nullable=False),
)


pace = Table(
    "pace",
    metadata,
    # channels slowed after an unspecific "too fast": half of the rate, then slow recovery
    Column("channel", Text, primary_key=True),
    Column("full_rate", Double, nullable=False),  # messages a second towards which it returns
    Column("slowed_rate", Double, nullable=False),  # at `slowed_at`
    Column("slowed_at", Double, nullable=False),
    # the provider's last code; "unreachable": none
    Column("code", Text, nullable=False, default="", server_default=""),
)


held_domain = Table(
    "held_domain",
    metadata,
    # mail providers that asked us to wait
    Column("channel", Text, primary_key=True),
    Column("lookup", LargeBinary(16), primary_key=True),  # keyed hash of e.g. gmail.com
    Column("cipher", LargeBinary, nullable=False),  # the same sealed, for staff
    Column("until", Double, nullable=False),
    sqlite_with_rowid=False,
)


suspicion = Table(
    "suspicion",
    metadata,
    # replies about single recipients that may concern the sender
    Column("channel", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # replies of a kind count as the same
    Column("address", BigInteger, primary_key=True, autoincrement=False),
    Column("domain", Text, nullable=False),  # keyed hash, empty where the channel has none
    Column("code", Text, nullable=False),  # the provider's
    Column("at", Double, nullable=False),
    Index("suspicion_at", "channel", "kind", "at"),
    sqlite_with_rowid=False,
)


last_success = Table(
    "last_success",
    metadata,
    # time of the last arrival, recorded only while there are suspicions
    Column("channel", Text, primary_key=True),
    Column("domain", Text, primary_key=True),  # keyed hash; empty: anywhere on the channel
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)


reached = Table(
    "reached",
    metadata,
    # people written to in the last 24 hours, where a provider limits how many
    Column("channel", Text, primary_key=True),
    Column("address", BigInteger, primary_key=True),
    Column("at", Double, nullable=False),  # of the last message
    Index("reached_at", "channel", "at"),
    sqlite_with_rowid=False,
)


hub_told = Table(
    "hub_told",
    metadata,
    # recent editions of whose documents every WebSub hub has been notified
    Column("edition", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)
