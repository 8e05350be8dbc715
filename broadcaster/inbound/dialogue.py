"""Dialogue: the meaning of a message and its answer. Residents may stop, staff may link their chat;
all else gets one plain answer. Pure.
"""

import re
import unicodedata
from typing import Literal

from channels.base.contract import Site

Meaning = Literal["stop", "danger", "unknown", "link"]
AnswerKind = Meaning | Literal["linked"]
"""Kinds of answers; "link" itself means that the code sent is not valid."""

_STOP = frozenset({"berhenti", "stop", "keluar", "unsub", "unsubscribe", "brenti"})
_POLITE = frozenset({"tolong", "mohon", "please"})
_DANGER = frozenset({"kebakaran", "tolong", "kecelakaan"})
_LINK = re.compile(r"/start(?:@\w+)?\s+staf-([0-9a-f]{32})", re.ASCII)


def understand(text: str, payload: str = "") -> Meaning:
    """Return the meaning of a message or a clicked button: decided by the first word, politeness
    aside, ignoring case and accents.
    """
    if staff_code(text):
        return "link"
    for message in (payload, text):
        words = re.findall(
            r"[a-z0-9]+",
            unicodedata.normalize("NFKD", message).encode("ascii", "ignore").decode().lower(),
        )
        if next((word for word in words if word not in _POLITE), "") in _STOP:
            return "stop"
        if not _DANGER.isdisjoint(words):
            return "danger"
    return "unknown"


def staff_code(text: str) -> str:
    """Return the code that links this chat to a staff account (see staff/chat_linking.py); empty if
    there is none.
    """
    match = _LINK.fullmatch(text.strip())
    return match[1] if match else ""


def answer(meaning: AnswerKind, site: Site, lang: str) -> str:
    """Return the answer to a resident, in English only if they chose it. Staff get Indonesian, as
    in notifications.
    """
    number = site.emergency_number
    if meaning == "linked":
        return (
            "Tersambung. Yang menunggu Anda di redaksi kini juga diberitahukan di sini. "
            "Lepas kapan saja di halaman akun Anda."
        )
    if meaning == "link":
        return (
            "Kode ini tidak berlaku lagi. "
            "Buat yang baru di halaman akun Anda di redaksi; tiap kode berlaku 10 menit."
        )
    if lang == "en":
        return {
            "stop": "You have stopped. We will send no more messages to this address.",
            "danger": f"Emergency? Call *{number}* now. Emergency staff do not watch this number.",
            "unknown": (
                "Sorry, I only send announcements. Reply *STOP* to stop. "
                f"For emergencies call {number}."
            ),
        }[meaning]
    return {
        "stop": "Anda berhenti. Kami tidak akan mengirim pesan lagi ke sini.",
        "danger": (
            f"Darurat? Telepon *{number}* sekarang. Nomor ini tidak dipantau petugas darurat."
        ),
        "unknown": (
            "Maaf, saya hanya mengirim pengumuman. Balas *BERHENTI* untuk berhenti. "
            f"Untuk darurat telepon {number}."
        ),
    }[meaning]
