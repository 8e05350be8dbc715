"""What a resident's message means and what is answered. Pure. Today stopping is understood; all else gets one plain answer."""

import re
import unicodedata
from typing import Literal

from channels.base.contract import Site

Meaning = Literal["stop", "danger", "unknown"]

_STOP = frozenset({"berhenti", "stop", "keluar", "unsub", "unsubscribe", "brenti"})
_POLITE = frozenset({"tolong", "mohon", "please"})
_DANGER = frozenset({"kebakaran", "tolong", "kecelakaan"})


def understand(text: str, payload: str = "") -> Meaning:
    """The meaning of a message or a pressed button; its first word decides, politeness aside; case and accents do not matter."""
    for said in (payload, text):
        words = re.findall(r"[a-z0-9]+", unicodedata.normalize("NFKD", said).encode("ascii", "ignore").decode().lower())
        if next((word for word in words if word not in _POLITE), "") in _STOP:
            return "stop"
        if not _DANGER.isdisjoint(words):
            return "danger"
    return "unknown"


def answer(meaning: Meaning, site: Site, lang: str) -> str:
    """The one message a resident gets back; English only where they chose it."""
    number = site.emergency_number
    if lang == "en":
        return {
            "stop": "You have stopped. We will send no more messages to this address.",
            "danger": f"Emergency? Call *{number}* now. Emergency staff do not watch this number.",
            "unknown": f"Sorry, I only send announcements. Reply *STOP* to stop. For emergencies call {number}.",
        }[meaning]
    return {
        "stop": "Anda berhenti. Kami tidak akan mengirim pesan lagi ke sini.",
        "danger": f"Darurat? Telepon *{number}* sekarang. Nomor ini tidak dipantau petugas darurat.",
        "unknown": f"Maaf, saya hanya mengirim pengumuman. Balas *BERHENTI* untuk berhenti. Untuk darurat telepon {number}.",
    }[meaning]
