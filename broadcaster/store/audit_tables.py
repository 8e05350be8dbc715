"""The tables of the audit log, with the guard that keeps them append-only.

Times are epoch seconds UTC (double).
"""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, Table, Text

from broadcaster.store.audit_guard import guard
from broadcaster.store.tables import big_key, metadata

audit = Table(
    "audit",
    metadata,
    # append-only, hash-chained: digest = SHA-256(previous digest + canonical row)
    Column("id", big_key, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("audit_subject", "subject", "id"),
    Index("audit_actor", "actor", "id"),
    Index("audit_at", "at"),
    Index("audit_act", "act", "id"),
)

audit_tail = Table(
    "audit_tail",
    metadata,
    # end of the log, which reveals rows removed there: a single row that only moves forward
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),  # id of the last row
    Column("digest", LargeBinary, nullable=False),  # and its digest, which the next row names
)
guard(audit, audit_tail)
