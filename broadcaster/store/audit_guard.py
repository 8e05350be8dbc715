"""Triggers that keep the audit log append-only: the database refuses to change or remove a row.

Anyone who may alter tables can drop the triggers; the hash chain and a separately noted head still
reveal changes (store/audit.py).
"""

from sqlalchemy import DDL, Table, event

REFUSAL = "the audit log is append-only"

SQLITE = (
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    # INSERT OR REPLACE removes a row without firing the trigger above
    "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit "
    "WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
)
SQLITE_TAIL = (
    "CREATE TRIGGER audit_tail_forward BEFORE UPDATE ON audit_tail WHEN NEW.last <= OLD.last "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    "CREATE TRIGGER audit_tail_no_delete BEFORE DELETE ON audit_tail "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    "CREATE TRIGGER audit_tail_no_replace BEFORE INSERT ON audit_tail "
    "WHEN EXISTS (SELECT 1 FROM audit_tail) "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
)
_REFUSE = "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$",
    f"CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit {_REFUSE}",
)
POSTGRESQL_TAIL = (
    "CREATE TRIGGER audit_tail_forward BEFORE UPDATE ON audit_tail "
    "FOR EACH ROW WHEN (NEW.last <= OLD.last) "
    "EXECUTE FUNCTION refuse_audit_change()",
    f"CREATE TRIGGER audit_tail_kept BEFORE DELETE OR TRUNCATE ON audit_tail {_REFUSE}",
)


def guard(log: Table, tail: Table) -> None:
    """Create the triggers together with the tables; `tail` is created after `log`."""
    tail.add_is_dependent_on(log)
    for table, dialect, statements in (
        (log, "sqlite", SQLITE),
        (tail, "sqlite", SQLITE_TAIL),
        (log, "postgresql", POSTGRESQL),
        (tail, "postgresql", POSTGRESQL_TAIL),
    ):
        for statement in statements:
            # SQLAlchemy does not type DDL
            trigger = DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", trigger)
