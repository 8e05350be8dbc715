"""Webhooks as providers sign them."""

import hashlib
import hmac

from support.browsing import CREDENTIALS


def whatsapp_signature(body: bytes) -> dict[str, str]:
    """Return the header with which Meta signs this body."""
    secret = CREDENTIALS["WHATSAPP_APP_SECRET"].encode()
    return {"X-Hub-Signature-256": f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"}
