"""areas where only an earlier edition stood"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# what was corrected before stands again, marked, wherever its earlier editions stood
CARRY = """
INSERT INTO edition_area (edition, area, former)
SELECT DISTINCT later.id, earlier_area.area, {true}
FROM edition AS later
JOIN edition AS earlier ON earlier.announcement = later.announcement AND earlier.number < later.number
JOIN edition_area AS earlier_area ON earlier_area.edition = earlier.id
WHERE NOT EXISTS (SELECT 1 FROM edition_area AS own WHERE own.edition = later.id AND own.area = earlier_area.area)
"""


def upgrade() -> None:
    """Towards this version."""
    with op.batch_alter_table("edition_area", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("former", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    op.execute(CARRY.format(true="1" if op.get_bind().dialect.name == "sqlite" else "true"))


def downgrade() -> None:
    """Back to the version before."""
    op.execute("DELETE FROM edition_area WHERE former")
    with op.batch_alter_table("edition_area", schema=None) as batch_op:
        batch_op.drop_column("former")
