"""Channels set up for a measurement: at a stand-in, with no limit of our own, to made-up addresses."""

STAND_INS = {"email": "smtp", "whatsapp": "graph", "telegram": "bot"}
"""Stand-in of each channel, as providers.py calls it."""


def settings(channel: str, where: str) -> dict[str, str]:
    """Return the channel's variables: the stand-in, and no limit of our own."""
    if channel == "email":
        return {"EMAIL_URL": where, "EMAIL_FROM": "info@cimahi.example", "EMAIL_CONNECTIONS": "10"}
    if channel == "telegram":
        return {
            "TELEGRAM_TOKEN": "1:demo",
            "TELEGRAM_API_URL": where,
            "TELEGRAM_RATE": "0",
            "TELEGRAM_WEBHOOK_SECRET": "s",
        }
    return {
        "WHATSAPP_TOKEN": "t",
        "WHATSAPP_PHONE_ID": "1",
        "WHATSAPP_APP_SECRET": "s",
        "WHATSAPP_VERIFY_TOKEN": "v",
        "WHATSAPP_TEMPLATE": "info_kelurahan",
        "WHATSAPP_API_URL": f"{where}/v25.0",
        "WHATSAPP_RATE": "0",
    }


def address(channel: str, number: int) -> str:
    """Return a made-up address."""
    return {
        "email": f"warga{number}@contoh.example",
        "whatsapp": f"62899{number:08}",
        "telegram": str(10_000 + number),
    }[channel]
