"""the inbox by priority"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Towards this version."""
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.add_column(sa.Column("priority", sa.SmallInteger(), nullable=True))
        batch_op.drop_index("receipt_due")
    # what was never looked at may be a resident's stop: nobody can tell without opening it, so all of it comes first
    op.execute(
        "UPDATE receipt SET priority = 0, due_at = received_at WHERE applied_at IS NULL AND tries = 0"
    )
    op.execute("UPDATE receipt SET priority = 3 WHERE applied_at IS NULL AND tries > 0")
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.create_index("receipt_applied", ["applied_at"], unique=False)
        waits = sa.text("priority IS NOT NULL")
        columns = ["priority", "due_at", "id"]
        batch_op.create_index(
            "receipt_turn", columns, unique=False, sqlite_where=waits, postgresql_where=waits
        )


def downgrade() -> None:
    """Back to the version before."""
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.drop_index("receipt_turn")
        batch_op.drop_index("receipt_applied")
        batch_op.create_index("receipt_due", ["applied_at", "due_at"], unique=False)
        batch_op.drop_column("priority")
