"""The sample city's staff: an author, an approver who also manages, and the disaster agency's officer."""

from sqlalchemy import Connection

from broadcaster import accounts as rules
from broadcaster.accounts import Account
from broadcaster.store import accounts

PASSWORD = "cimahi-demo"  # noqa: S105  printed on the demo's own sign-in page; no provider is ever reached from there

PEOPLE = (
    Account(id=0, name="rina", full_name="Rina Marlina", roles=("author",), email="rina@contoh.example"),
    Account(id=0, name="dewi", full_name="Dewi Lestari", roles=("approver", "admin"), email="dewi@contoh.example"),
    Account(id=0, name="bpbd", full_name="Agus, BPBD", roles=("author", "approver", "screens"), email="bpbd@contoh.example"),
)


def add_staff(connection: Connection, at: float) -> None:
    """Store them, unless there is staff already."""
    if accounts.exists(connection):
        return
    hashed = rules.hash_password(PASSWORD)
    for person in PEOPLE:
        accounts.add(connection, person, password=hashed, at=at)
