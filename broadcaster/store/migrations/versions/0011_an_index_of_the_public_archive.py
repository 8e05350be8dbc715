"""an index of the public archive"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TERM, PIECE = 60, 120
"""As broadcaster/store/search.py had them at this version."""
BATCH = 500

_edition = sa.table(
    "edition", sa.column("id"), sa.column("newest", sa.Boolean()), sa.column("document")
)
_word = sa.table("search_word", sa.column("id"), sa.column("word"))
_posting = sa.table("search_posting", sa.column("word"), sa.column("edition"))


def upgrade() -> None:
    """Towards this version."""
    op.create_table(
        "search_word",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("word"),
    )
    op.create_table(
        "search_posting",
        sa.Column("word", sa.BigInteger(), nullable=False),
        sa.Column("edition", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("word", "edition"),
        sqlite_with_rowid=False,
    )
    op.create_index("search_posting_edition", "search_posting", ["edition", "word"], unique=False)
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """Enter what was published before this version."""
    numbers: dict[str, int] = {}
    last = 0
    while rows := _after(connection, last):
        entries = {row.id: set(_entries(json.loads(row.document))) for row in rows}
        for word in sorted(set().union(*entries.values()) - numbers.keys()):
            numbers[word] = len(numbers) + 1
            connection.execute(sa.insert(_word).values(id=numbers[word], word=word))
        postings = [
            {"word": numbers[word], "edition": number}
            for number, words in entries.items()
            for word in words
        ]
        connection.execute(sa.insert(_posting), postings)
        last = rows[-1].id
    if numbers and connection.dialect.name == "postgresql":
        connection.execute(
            sa.text("SELECT setval(pg_get_serial_sequence('search_word', 'id'), :last)"),
            {"last": len(numbers)},
        )


def _after(connection: sa.Connection, last: int) -> list[Any]:
    newest = sa.select(_edition.c.id, _edition.c.document).where(
        _edition.c.newest, _edition.c.id > last
    )
    return list(connection.execute(newest.order_by(_edition.c.id).limit(BATCH)).all())


def _entries(document: dict[str, Any]) -> Iterator[str]:
    wording = document["wordings"]["id"]
    for text in (document["code"], wording["title"], wording["summary"], wording["body"]):
        for word in str(text).lower().split():
            for start in range(0, max(1, len(word) - TERM), TERM):
                yield word[start : start + PIECE]


def downgrade() -> None:
    """Back to the version before."""
    op.drop_table("search_posting")
    op.drop_table("search_word")
