"""Masked addresses: recognisable to their owners, useless to anyone else."""


def masked(address: str) -> str:
    """Mask an address: "wa***@contoh.example", "***9012"."""
    name, at, domain = address.rpartition("@")
    if at and name:
        return f"{name[: min(2, len(name) // 2)]}***@{domain}"
    return f"***{address[-4:]}" if len(address) > 6 else "***" if address else ""
