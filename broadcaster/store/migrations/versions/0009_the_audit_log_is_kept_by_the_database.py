"""the audit log is kept by the database"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

REFUSAL = "the audit log is append-only"
SQLITE = (
    f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    "CREATE TRIGGER audit_tail_forward BEFORE UPDATE ON audit_tail WHEN NEW.last <= OLD.last "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    f"CREATE TRIGGER audit_tail_no_delete BEFORE DELETE ON audit_tail BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    "CREATE TRIGGER audit_tail_no_replace BEFORE INSERT ON audit_tail WHEN EXISTS (SELECT 1 FROM audit_tail) "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
)
_REFUSE = "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$",
    f"CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit {_REFUSE}",
    "CREATE TRIGGER audit_tail_forward BEFORE UPDATE ON audit_tail FOR EACH ROW WHEN (NEW.last <= OLD.last) "
    "EXECUTE FUNCTION refuse_audit_change()",
    f"CREATE TRIGGER audit_tail_kept BEFORE DELETE OR TRUNCATE ON audit_tail {_REFUSE}",
)
"""As broadcaster/store/audit_guard.py had them at this version."""


def upgrade() -> None:
    """Towards this version."""
    op.create_table(
        "audit_tail",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("audit_act", ["act", "id"], unique=False)
    op.execute(
        "INSERT INTO audit_tail (one, last, digest) SELECT 1, id, digest FROM audit ORDER BY id DESC LIMIT 1"
    )
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Back to the version before."""
    if op.get_bind().dialect.name == "sqlite":
        for name in ("no_update", "no_delete", "no_replace"):
            op.execute(f"DROP TRIGGER audit_{name}")
    else:
        op.execute("DROP TRIGGER audit_append_only ON audit")
    op.drop_table("audit_tail")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_audit_change()")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index("audit_act")
