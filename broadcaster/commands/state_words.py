"""Words for the states of announcements and deliveries, and for areas.

The states of announcements are the catalogue's, written here once more so that `show` need not
load it.
"""

from subscribers.areas import AreaTree

ANNOUNCEMENT = {
    "draft": "draf", "review": "menunggu persetujuan", "returned": "dikembalikan",
    "rejected": "ditolak", "approved": "disetujui", "scheduled": "terjadwal",
    "published": "terbit", "ended": "berakhir", "archived": "diarsipkan",
}  # fmt: skip
WORDS = {
    "pending": "antre", "sending": "jalan", "sent": "dikirim", "delivered": "sampai",
    "read": "dibaca", "failed": "gagal", "skipped": "dilewati", "cancelled": "dihentikan",
    "expired": "kedaluwarsa", "unconfirmed": "belum pasti",
}  # fmt: skip
SENDING = {
    "preparing": "menyiapkan", "running": "berjalan", "paused": "dijeda",
    "stopped": "dihentikan", "superseded": "digantikan", "done": "selesai",
}  # fmt: skip


def area_label(tree: AreaTree, code: str) -> str:
    """Return an area's name, or its code if the tree does not know it."""
    area = tree.get(code)
    return area.label if area is not None else code
