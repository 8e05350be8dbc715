"""what holds up emergencies, where a database is at home"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Towards this version."""
    op.create_table(
        "hold_up",
        sa.Column("announcement", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("until", sa.Double(), nullable=True),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("told_at", sa.Double(), nullable=True),
        sa.Column("over_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["announcement"],
            ["announcement.id"],
        ),
        sa.PrimaryKeyConstraint("announcement", "channel", "since"),
        sqlite_with_rowid=False,
    )
    op.create_index("hold_up_open", "hold_up", ["over_at"], unique=False)
    op.create_table(
        "custody",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("home", sa.Text(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("held_at", sa.Double(), nullable=True),
        sa.Column("held_because", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    with op.batch_alter_table("pace", schema=None) as batch_op:
        batch_op.add_column(sa.Column("code", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """Back to the version before."""
    with op.batch_alter_table("pace", schema=None) as batch_op:
        batch_op.drop_column("code")
    op.drop_table("custody")
    op.drop_index("hold_up_open", table_name="hold_up")
    op.drop_table("hold_up")
