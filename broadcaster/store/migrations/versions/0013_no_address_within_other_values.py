"""no address within other values: providers' ids and mail domains as keyed hashes"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

VACUUM_FIRST = True
"""What older versions deleted still stands in the free pages of a SQLite file: they are dropped before this one runs."""


def upgrade() -> None:
    """Towards this version. A migration has no key, so that ids in clear cannot become keyed ones: they go.

    What is lost: a later status of a message sent before finds its row only by our callback data, which WhatsApp sends along;
    a mail provider that asked us to wait is asked once more; an event that a provider repeats from before is applied again,
    which changes nothing.
    """
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    op.add_column("delivery", sa.Column("message_number", sa.BigInteger(), nullable=True))
    numbered = "channel = 'telegram' AND length(provider_id) BETWEEN 1 AND 18"
    digits = "provider_id NOT GLOB '*[^0-9]*'" if sqlite else "provider_id ~ '^[0-9]+$'"
    op.execute(
        f"UPDATE delivery SET message_number = CAST(provider_id AS BIGINT) WHERE {numbered} AND {digits}"
    )
    if sqlite:
        op.execute("UPDATE delivery SET provider_id = NULL WHERE provider_id IS NOT NULL")
    else:
        # writes the table anew: an UPDATE would leave the old rows in its pages
        op.execute("ALTER TABLE delivery ALTER COLUMN provider_id TYPE text USING (NULL)")
    op.execute("ALTER TABLE delivery RENAME COLUMN provider_id TO provider_key")
    _empty_provider_messages()
    _empty_held_domains()
    _forget_dedupe_keys(sqlite=sqlite)


def _empty_provider_messages() -> None:
    op.drop_table("provider_message")
    op.create_table(
        "provider_message",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider_key", sa.Text(), nullable=False),
        sa.Column("edition", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "provider_key"),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("provider_message", schema=None) as batch_op:
        batch_op.create_index("provider_message_delivery", ["edition", "slot"], unique=False)


def _empty_held_domains() -> None:
    op.drop_table("held_domain")
    op.create_table(
        "held_domain",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("lookup", sa.LargeBinary(length=16), nullable=False),
        sa.Column("cipher", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "lookup"),
        sqlite_with_rowid=False,
    )


def _forget_dedupe_keys(*, sqlite: bool) -> None:
    """Unkeyed hashes of marks that may be guessed: those of applied events go, what waits gets one that means nothing."""
    op.execute("DELETE FROM receipt WHERE applied_at IS NOT NULL")
    nothing = (
        "randomblob(16)" if sqlite else "decode(replace(gen_random_uuid()::text, '-', ''), 'hex')"
    )
    op.execute(f"UPDATE receipt SET dedupe = {nothing}")
    if not sqlite:
        op.execute("ALTER TABLE receipt ALTER COLUMN dedupe TYPE bytea USING (dedupe || ''::bytea)")


def downgrade() -> None:
    """Back to the version before; keyed hashes cannot become ids again."""
    op.drop_table("held_domain")
    op.create_table(
        "held_domain",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "domain"),
        sqlite_with_rowid=False,
    )
    op.execute("DELETE FROM provider_message")
    op.execute("ALTER TABLE provider_message RENAME COLUMN provider_key TO provider_id")
    op.execute("UPDATE delivery SET provider_key = CAST(message_number AS TEXT)")
    op.execute("ALTER TABLE delivery RENAME COLUMN provider_key TO provider_id")
    op.drop_column("delivery", "message_number")
