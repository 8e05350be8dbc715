"""whose turn it is to sign in"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Towards this version."""
    op.create_table(
        "sign_in_line",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("told", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sqlite_with_rowid=False,
    )
    op.create_index("sign_in_line_name", "sign_in_line", ["name", "rank"], unique=False)
    op.create_table(
        "code_guard",
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("browser", sa.LargeBinary(), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("stopped_at", sa.Double(), nullable=True),
        sa.Column("told_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account"],
            ["account.id"],
        ),
        sa.PrimaryKeyConstraint("account", "browser"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "proxy_sighting",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "peer"),
        sqlite_with_rowid=False,
    )
    op.add_column("throttle", sa.Column("told", sa.Double(), server_default="0", nullable=False))


def downgrade() -> None:
    """Back to the version before."""
    op.drop_column("throttle", "told")
    op.drop_table("proxy_sighting")
    op.drop_table("code_guard")
    op.drop_index("sign_in_line_name", table_name="sign_in_line")
    op.drop_table("sign_in_line")
