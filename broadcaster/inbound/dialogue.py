"""What a message means and what is answered. Pure. Residents may stop; staff join their chat; all
else gets one plain answer.
"""

import re
import unicodedata
from typing import Literal

from channels.base.contract import Site

Meaning = Literal["stop", "danger", "unknown", "link"]
Answer = Meaning | Literal["linked"]
"""What is answered; "link" itself: the code that was sent does not hold."""

_STOP = frozenset({"berhenti", "stop", "keluar", "unsub", "unsubscribe", "brenti"})
_POLITE = frozenset({"tolong", "mohon", "please"})
_DANGER = frozenset({"kebakaran", "tolong", "kecelakaan"})
_LINK = re.compile(r"/start(?:@\w+)?\s+staf-([0-9a-f]{32})", re.ASCII)


def understand(text: str, payload: str = "") -> Meaning:
    """The meaning of a message or a pressed button; its first word decides, politeness aside; case
    and accents do not matter.
    """
    if staff_code(text):
        return "link"
    for said in (payload, text):
        words = re.findall(
            r"[a-z0-9]+",
            unicodedata.normalize("NFKD", said).encode("ascii", "ignore").decode().lower(),
        )
        if next((word for word in words if word not in _POLITE), "") in _STOP:
            return "stop"
        if not _DANGER.isdisjoint(words):
            return "danger"
    return "unknown"


def staff_code(text: str) -> str:
    """The code by which somebody of staff joins this chat to their account (see linking.py); empty
    where there is none.
    """
    found = _LINK.fullmatch(text.strip())
    return found[1] if found else ""


def answer(meaning: Answer, site: Site, lang: str) -> str:
    """The one message a resident gets back; English only where they chose it. Staff are told in
    Indonesian, as by nudges.
    """
    number = site.emergency_number
    if meaning == "linked":
        return "Tersambung. Yang menunggu Anda di redaksi kini juga diberitahukan di sini. Lepas kapan saja di halaman akun Anda."
    if meaning == "link":
        return "Kode ini tidak berlaku lagi. Buat yang baru di halaman akun Anda di redaksi; tiap kode berlaku 10 menit."
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
