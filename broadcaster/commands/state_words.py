"""Words for the states and areas of deliveries."""

from subscribers.areas import AreaTree

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
