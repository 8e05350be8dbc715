"""blanks of templates, who controls an account"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_FROM_THE_AUDIT = """
    INSERT INTO account_control (account, maker, act, at)
    SELECT changed.id, maker.id, audit.act, audit.at
    FROM audit
    JOIN account AS changed ON audit.subject = 'staff:' || changed.name
    JOIN account AS maker ON audit.actor = 'staff:' || maker.name
    WHERE audit.act IN ('account_add', 'account_change', 'account_enable', 'password_reset', 'second_factor_removed')
      AND changed.id <> maker.id
"""
"""What administrators did lately counts from the first minute after the upgrade."""


def upgrade() -> None:
    """Towards this version."""
    op.create_table(
        "account_control",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("maker", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.id"]),
        sa.ForeignKeyConstraint(["maker"], ["account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("account_control_recent", "account_control", ["at"], unique=False)
    with op.batch_alter_table("announcement", schema=None) as batch_op:
        batch_op.add_column(sa.Column("blanks", sa.Text(), server_default="", nullable=False))
    with op.batch_alter_table("recurring", schema=None) as batch_op:
        batch_op.add_column(sa.Column("blanks", sa.Text(), nullable=True))
    op.execute(_FROM_THE_AUDIT)


def downgrade() -> None:
    """Back to the version before."""
    op.drop_column("recurring", "blanks")
    op.drop_column("announcement", "blanks")
    op.drop_index("account_control_recent", table_name="account_control")
    op.drop_table("account_control")
