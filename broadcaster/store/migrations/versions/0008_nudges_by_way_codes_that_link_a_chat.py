"""nudges by way, codes that link a chat"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Towards this version."""
    op.create_table(
        "link_code",
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"],
            ["account.id"],
        ),
        sa.PrimaryKeyConstraint("account"),
        sa.UniqueConstraint("digest"),
    )
    with op.batch_alter_table("nudge", schema=None) as batch_op:
        batch_op.add_column(sa.Column("settled", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("outcome", sa.Text(), server_default="", nullable=False))
        batch_op.drop_index(batch_op.f("nudge_due"))
        batch_op.create_index("nudge_due", ["outcome", "due_at"], unique=False)


def downgrade() -> None:
    """Back to the version before."""
    with op.batch_alter_table("nudge", schema=None) as batch_op:
        batch_op.drop_index("nudge_due")
        batch_op.create_index(batch_op.f("nudge_due"), ["sent_at", "due_at"], unique=False)
        batch_op.drop_column("outcome")
        batch_op.drop_column("settled")

    op.drop_table("link_code")
