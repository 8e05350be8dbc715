"""slots are counted by home and topics"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Towards this version: what was counted so far was counted whatever the topics."""
    _set_aside()
    _create(by_topics=True)
    op.execute(
        "INSERT INTO slot_counter (channel, home, topics, place, n) SELECT channel, home, '', 0, n FROM slot_counter_before"
    )
    op.drop_table("slot_counter_before")


def downgrade() -> None:
    """Back to the version before: the counts of all topics together, so that no number comes twice."""
    _set_aside()
    _create(by_topics=False)
    op.execute(
        "INSERT INTO slot_counter (channel, home, n) SELECT channel, home, sum(n) FROM slot_counter_before GROUP BY channel, home"
    )
    op.drop_table("slot_counter_before")


def _set_aside() -> None:
    op.execute("CREATE TABLE slot_counter_before AS SELECT * FROM slot_counter")
    op.drop_table("slot_counter")


def _create(*, by_topics: bool) -> None:
    keys: list[sa.Column[Any]] = [
        sa.Column(name, sa.Text(), nullable=False) for name in ("channel", "home")
    ]
    if by_topics:
        keys.append(
            sa.Column(
                "topics",
                sa.Text(),
                nullable=False,
                server_default="",
                comment="as of address.topics",
            )
        )
        comment = "0 for all topics, then 1, 2... as they come"
        keys.append(
            sa.Column("place", sa.Integer(), nullable=False, server_default="0", comment=comment)
        )
    op.create_table(
        "slot_counter",
        *keys,
        sa.Column(
            "n",
            sa.BigInteger(),
            nullable=False,
            comment="addresses made so far with this home and these topics",
        ),
        sa.PrimaryKeyConstraint("channel", "home", *(["topics"] if by_topics else [])),
    )
