"""people of an edition"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Towards this version."""
    op.add_column("edition", sa.Column("people", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Back to the version before."""
    with op.batch_alter_table("edition") as table:
        table.drop_column("people")
