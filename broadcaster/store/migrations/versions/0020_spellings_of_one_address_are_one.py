"""spellings of one address are one"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Towards this version. A migration has no key: that addresses are still found as they were written is only noted.

    Whoever next opens the database with its key makes their lookups anew, a thousand at a time.
    """
    op.create_table(
        "unspelled",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("one"),
        comment="a row while addresses above this id may still be found by the spelling they came in",
    )
    op.create_table(
        "merged",
        sa.Column("gone", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kept", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["kept"],
            ["address.id"],
        ),
        sa.PrimaryKeyConstraint("gone"),
        comment="ids of addresses that are another one now: links in old messages name them",
    )
    op.create_index("merged_kept", "merged", ["kept"], unique=False)
    op.execute(
        'INSERT INTO unspelled (one, "after") SELECT 1, 0 WHERE EXISTS (SELECT 1 FROM address)'
    )


def downgrade() -> None:
    """Back to the version before; addresses that were joined stay one."""
    op.drop_index("merged_kept", table_name="merged")
    op.drop_table("merged")
    op.drop_table("unspelled")
