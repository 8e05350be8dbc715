"""Findings of `broadcaster doctor` about the number and the templates of a WhatsApp account."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from channels.base.contract import Finding
from channels.base.meta.answers import GraphError
from channels.base.meta.message_templates import Definition

NUMBER_FIELDS = (
    "display_phone_number,verified_name,quality_rating,status,"
    "whatsapp_business_manager_messaging_limit"
)


def refusal(what: str, status: int, answer: Mapping[str, Any]) -> Finding:
    """Explain why Meta rejected the request and how to fix it."""
    error = msgspec.convert(answer.get("error", {}), GraphError, strict=False)
    if status == 0:
        return Finding(
            ok=False,
            what=f"{what} tidak menjawab ({error.detail}).",
            mend="Periksa jaringan dan WHATSAPP_API_URL.",
        )
    mends = {
        190: "Buat token baru: WHATSAPP_TOKEN.",
        100: "Periksa WHATSAPP_PHONE_ID dan WHATSAPP_ACCOUNT_ID.",
    }
    mend = mends.get(error.code, "Periksa izin token dan akun di WhatsApp Manager.")
    return Finding(ok=False, what=f"{what}: Meta menjawab {error.code}, {error.detail}.", mend=mend)


def number_finding(status: int, answer: Mapping[str, Any]) -> Finding:
    """Report the state of the sending number."""
    if status != 200:
        return refusal("Nomor WhatsApp", status, answer)
    facts = [str(answer[name]) for name in NUMBER_FIELDS.split(",") if answer.get(name)]
    bad = answer.get("quality_rating") == "RED" or answer.get("status", "CONNECTED") != "CONNECTED"
    mend = (
        "Lihat WhatsApp Manager: nomor tidak tersambung, "
        "atau banyak warga memblokir atau melaporkannya."
        if bad
        else ""
    )
    return Finding(ok=not bad, what=f"Nomor WhatsApp: {', '.join(facts)}.", mend=mend)


def template_finding(wanted: Definition, registered: Sequence[Mapping[str, Any]]) -> Finding:
    """Report whether a template is approved, as a utility template, with our wording."""
    document = wanted.document
    what = f"Templat WhatsApp {document['name']} ({document['language']})"
    same = [
        t
        for t in registered
        if (t.get("name"), t.get("language")) == (document["name"], document["language"])
    ]
    if not same:
        submit = f"Ajukan ke /message_templates: {msgspec.json.encode(document).decode()}"
        return Finding(ok=False, what=f"{what} belum ada.", mend=submit)
    if same[0].get("status") != "APPROVED":
        return Finding(
            ok=False,
            what=f"{what} berstatus {same[0].get('status')}.",
            mend="Tunggu Meta, atau ajukan banding.",
        )
    theirs = {c.get("type"): c.get("text", "") for c in same[0].get("components", [])}
    if any(theirs.get(kind, "") != wanted.text(kind) for kind in ("HEADER", "BODY", "FOOTER")):
        mend = f"Ubah di sana; punya kita: {wanted.text('BODY')!r}"
        return Finding(
            ok=None, what=f"{what} disetujui dengan kata lain: pratinjau akan berbeda.", mend=mend
        )
    if same[0].get("category") != document["category"]:
        return Finding(
            ok=None,
            what=f"{what} digolongkan {same[0].get('category')}, bukan UTILITY.",
            mend="Minta peninjauan.",
        )
    return Finding(ok=True, what=f"{what} disetujui.")
