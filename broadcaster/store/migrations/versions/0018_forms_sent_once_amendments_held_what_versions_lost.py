"""forms sent once, amendments held, what versions lost"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Towards this version."""
    op.create_table(
        "form_act",
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("account", "form"),
        sqlite_with_rowid=False,
    )
    op.create_index("form_act_at", "form_act", ["at"], unique=False)
    op.add_column(
        "draft_version", sa.Column("lost", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column(
        "proposal", sa.Column("approved_by", sa.Text(), server_default="", nullable=False)
    )
    op.add_column("proposal", sa.Column("release_at", sa.Double(), nullable=True))


def downgrade() -> None:
    """Back to the version before."""
    op.drop_column("proposal", "release_at")
    op.drop_column("proposal", "approved_by")
    op.drop_column("draft_version", "lost")
    op.drop_index("form_act_at", table_name="form_act")
    op.drop_table("form_act")
