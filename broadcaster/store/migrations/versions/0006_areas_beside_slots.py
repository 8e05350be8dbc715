"""areas beside slots"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Towards this version: who lives elsewhere is passed over without a look at the address itself."""
    with op.batch_alter_table("address", schema=None) as batch_op:
        batch_op.create_index(
            "address_channel_slot_home", ["channel", "slot", "home", "places"], unique=False
        )


def downgrade() -> None:
    """Back to the version before."""
    with op.batch_alter_table("address", schema=None) as batch_op:
        batch_op.drop_index("address_channel_slot_home")
