"""replies to single recipients that may be about the sender"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Towards this version."""
    op.create_table(
        "last_success",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "domain"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "suspicion",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "kind", "address"),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("suspicion", schema=None) as batch_op:
        batch_op.create_index("suspicion_at", ["channel", "kind", "at"], unique=False)
    with op.batch_alter_table("channel_state", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("suspected", sa.Boolean(), server_default=sa.false(), nullable=False)
        )


def downgrade() -> None:
    """Back to the version before."""
    with op.batch_alter_table("channel_state", schema=None) as batch_op:
        batch_op.drop_column("suspected")
    with op.batch_alter_table("suspicion", schema=None) as batch_op:
        batch_op.drop_index("suspicion_at")
    op.drop_table("suspicion")
    op.drop_table("last_success")
