"""Addresses shown so that their owners can tell them apart and nobody else can use them."""


def masked(address: str) -> str:
    """An address by which its owner can be told apart, but not be written to:
    "wa***@contoh.example", "***9012".
    """
    name, at, domain = address.rpartition("@")
    if at and name:
        return f"{name[: min(2, len(name) // 2)]}***@{domain}"
    return f"***{address[-4:]}" if len(address) > 6 else "***" if address else ""
