"""WhatsApp over Meta's Cloud API: announcements as template messages, replies as text, receipts by
signed webhook.
"""

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec
import structlog
from pydantic import Field

from channels.base import contract, http
from channels.base.address_codes import AddressCode
from channels.base.contract import Finding, Message, Outgoing
from channels.base.edition import Edition, Kind, Wording
from channels.base.meta import webhooks
from channels.base.meta.account import REFUSALS, Account
from channels.base.meta.answers import GraphError
from channels.base.meta.findings import NUMBER_FIELDS, number_finding, refusal, template_finding
from channels.base.meta.graph_errors import PAIR_WAIT, failure_of, outcome_of
from channels.base.meta.message_templates import (
    Definition,
    components,
    definition,
    parts,
    values_for,
)
from channels.base.outcomes import Failure, Outcome
from channels.base.phones import abroad, digits_of
from channels.base.rendering import area_names, clean, plain, template_name, utf16, with_addresses
from channels.base.running_text import repeats, running
from channels.base.sending import each
from channels.base.settings import ChannelSettings
from channels.base.sign_in import PATIENCE, Credential
from channels.base.tolerant_reading import Unreadable
from channels.base.truncation import cut
from channels.base.typed_addresses import cleaned

BODY_LIMIT = 1024
"""UTF-16 units of a template's filled body."""
PARAMETER_LIMIT = 240
TEXT_LIMIT = 4096
LANGUAGES = ("id", "en")
SIMULATED = "[SIMULASI] "
_ENCODER = msgspec.json.Encoder()

log = structlog.get_logger(__name__)


class Settings(ChannelSettings):
    """The WHATSAPP_ variables; secrets are excluded from `repr`."""

    prefix: ClassVar[str] = "WHATSAPP_"
    required: ClassVar[tuple[str, ...]] = ("token", "phone_id", "app_secret", "verify_token")

    token: str = Field(default="", repr=False, description="System user's token.")
    phone_id: str = Field(
        default="",
        pattern=r"^\d*$",
        description="Id of the sending number (not the number itself).",
    )
    account_id: str = Field(
        default="",
        pattern=r"^\d*$",
        description="Id of the WhatsApp Business account, for doctor, alarms.",
    )
    tier: int = Field(
        default=0,
        ge=0,
        description="Different people a day that Meta allows; 0: unlimited or unknown.",
    )
    api_url: str = Field(
        default="https://graph.facebook.com/v25.0",
        pattern=r"^https?://",
        description="Base with version.",
    )
    app_secret: str = Field(
        default="", repr=False, description="The app's secret, which signs webhooks."
    )
    verify_token: str = Field(
        default="",
        repr=False,
        description="A word of our choice that Meta repeats at the handshake.",
    )
    template: str = Field(
        default="",
        pattern=r"^[a-z0-9_]{0,512}$",
        description="Name of the template; empty: our three.",
    )
    template_emergency: str = Field(
        default="", pattern=r"^[a-z0-9_]{0,512}$", description="Emergencies; empty: the first."
    )
    template_clarification: str = Field(
        default="", pattern=r"^[a-z0-9_]{0,512}$", description="Hoaxes; empty: the first."
    )
    rate: float = Field(
        default=80.0, ge=0, description="Messages a second; 0: no limit of our own."
    )
    receipt_wait: float = Field(
        default=30.0, ge=0, description="Seconds in which a webhook may still tell of a message."
    )

    @property
    def names(self) -> dict[Kind, str]:
        """Template name for each kind: as configured, else the first, else the three of
        templates/whatsapp/.
        """
        first = self.template
        return {
            "notice": first or "info_kelurahan",
            "alert": self.template_emergency or first or "info_darurat",
            "clarification": self.template_clarification or first or "info_klarifikasi",
        }


# --- addresses ----------------------------------------------------------------------------------

_SCOPED = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
_MOBILE = re.compile(r"(?:\+?620?|0|)(8[1-35-9][0-9]{7,10})")
"""Also matches without the leading zero: spreadsheets drop it, and few lists hold Japanese or
Chinese numbers without "+".
"""


def parse_address(text: str) -> str:
    """Return E.164 digits without "+" (6281200000001), or a business-scoped id (ID.1349...)
    unchanged.

    Raises BadAddress.
    """
    if _SCOPED.fullmatch(scoped := cleaned(text)):
        return scoped
    digits = digits_of(text)
    if mobile := _MOBILE.fullmatch(digits):
        return f"62{mobile[1]}"
    if foreign := abroad(digits):
        return foreign
    raise contract.BadAddress(AddressCode.NO_WHATSAPP_NUMBER)


# --- templates ----------------------------------------------------------------------------------


def definition_for(edition: Edition, lang: str, settings: Settings) -> Definition:
    """Return the template of an edition: the notice template, unless emergencies or clarifications
    have their own.

    A withdrawal always uses the notice template: it must repeat neither the warning nor the claim.
    """
    kind: Kind = "notice"
    if edition.change != "withdrawal" and (edition.emergency or edition.claim is not None):
        kind = "alert" if edition.emergency else "clarification"
    if settings.names[kind] == settings.names["notice"]:
        kind = "notice"
    file = template_name("whatsapp", msgspec.structs.replace(edition, kind=kind), lang, "yaml")
    return definition(file, settings.names[kind], settings.site)


def definitions(settings: Settings) -> list[Definition]:
    """Return every template that announcements may need, as Meta has to approve it."""
    kinds = {name: kind for kind, name in reversed(settings.names.items())}
    return [
        definition(f"whatsapp/{kind}.{lang}.yaml", name, settings.site)
        for name, kind in kinds.items()
        for lang in LANGUAGES
    ]


def _values(
    template: Definition, edition: Edition, lang: str, *, simulated: bool
) -> dict[str, str]:
    reason = edition.reason.strip()
    context = {
        "edition": edition,
        "words": edition.wording(lang),
        "news": _news(edition.wording(lang)),
        "areas": area_names(edition),
        "reason": f"{reason}." if reason and reason[-1] not in ".!?" else reason,
        "simulated": SIMULATED if simulated else "",
    }
    return values_for(template, context, limit=BODY_LIMIT, each=PARAMETER_LIMIT)


def _news(words: Wording) -> str:
    """Return the summary; or the body if the summary merely repeats its start, as there is more
    room here.
    """
    body = plain(words.body)
    return (
        running(body)
        if not words.summary or repeats(words.summary, (body, plain(words.instruction)))
        else words.summary
    )


# --- the channel --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateFrame:
    """A rendered template message: `tail` = its JSON after the recipient, `parts` = the visible
    text.
    """

    tail: bytes
    parts: Mapping[str, str]


def _opening(address: str) -> bytes:
    field = b'"recipient"' if "." in address else b'"to"'
    return b'{"messaging_product":"whatsapp","recipient_type":"individual",%b:%b' % (
        field,
        _ENCODER.encode(address),
    )


class WhatsApp:
    """The WhatsApp channel; connections open with the first request."""

    name = "whatsapp"
    label = "WhatsApp"
    limits = contract.Limits(text=BODY_LIMIT, measure="utf-16 units", marks="asterisks")
    spaced = True

    def __init__(self, settings: Settings, *, patience: float = PATIENCE) -> None:
        self._settings, self.rate, self.tier = settings, settings.rate, settings.tier
        self.receipt_wait = settings.receipt_wait
        self._at_once = min(max(int(settings.rate or 128), 16), http.CONNECTIONS)
        self._sessions = http.Sessions(connections=http.CONNECTIONS)
        self._base = settings.api_url.rstrip("/")
        self._messages = f"{self._base}/{settings.phone_id}/messages"
        self._headers = {
            "Authorization": f"Bearer {settings.token}",
            "Content-Type": "application/json",
        }
        self._account = Account(
            self._sessions,
            self._base,
            self._headers,
            phone_id=settings.phone_id,
            account_id=settings.account_id,
        )
        self._token = Credential(
            time.monotonic, codes=REFUSALS, check=self._account.is_refused, patience=patience
        )

    def spacing(self, address: str) -> float:
        """Return the minimum seconds between two messages to a person."""
        return PAIR_WAIT

    def render(self, edition: Edition, lang: str) -> Message:
        """Render the template message of an edition; in the demo "[SIMULASI]" precedes the
        title.
        """
        template = definition_for(edition, lang, self._settings)
        whole = with_addresses(edition, self._settings.site.base_url)
        values = _values(template, whole, lang, simulated=self._settings.site.simulated)
        language = {"policy": "deterministic", "code": template.document["language"]}
        message = {
            "name": template.document["name"],
            "language": language,
            "components": components(template, values),
        }
        tail = b',"type":"template","template":' + _ENCODER.encode(message) + b"}"
        return Message(
            edition=edition,
            lang=lang,
            frame=TemplateFrame(tail=tail, parts=parts(template, values)),
        )

    def personalise(self, message: Message, recipient: contract.Recipient) -> Outgoing:
        """Insert the address and the delivery's name into the prepared bytes."""
        callback = b',"biz_opaque_callback_data":' + _ENCODER.encode(recipient.delivery)
        return Outgoing(
            recipient=recipient,
            message=message,
            payload=_opening(recipient.address) + callback + message.frame.tail,
        )

    def preview(self, outgoing: Outgoing) -> dict[str, str]:
        """Return header, text, footer and buttons as displayed, and each parameter."""
        return dict(outgoing.message.frame.parts)

    def send(
        self, messages: Sequence[Outgoing], *, may_write: contract.MayWrite
    ) -> AsyncIterator[contract.Result]:
        """Make one request per message, with no more in flight than messages are allowed per
        second.
        """
        return each(messages, self._send_one, concurrency=self._at_once, may_write=may_write)

    async def _send_one(self, outgoing: Outgoing) -> Outcome:
        return await self._post(
            outgoing.payload, outgoing.recipient.address, outgoing.recipient.attempt
        )

    async def answer(self, address: str, text: str) -> Outcome:
        """Send free-form text, accepted for 24 h after the resident's last message; cut by sentence
        at 4,096 units.
        """
        marked = SIMULATED + text if self._settings.site.simulated else text
        body = _ENCODER.encode(
            {"preview_url": False, "body": cut(clean(marked), TEXT_LIMIT, utf16)}
        )
        fields = b',"biz_opaque_callback_data":"%b","type":"text","text":%b}' % (
            webhooks.ANSWER.encode(),
            body,
        )
        return await self._post(_opening(address) + fields, address)

    async def _post(self, payload: bytes, address: str, attempt: int = 1) -> Outcome:
        return await self._token.guarded(lambda: self._posted(payload, address, attempt))

    async def _posted(self, payload: bytes, address: str, attempt: int) -> Outcome:
        request = self._sessions.get().post(
            self._messages, data=http.Body(payload), headers=self._headers, allow_redirects=False
        )
        try:
            async with request as response:
                body = await response.read()
        except http.REQUEST_ERRORS as error:
            return http.deferred(error)
        return outcome_of(response.status, response.headers, body, address=address, attempt=attempt)

    async def aclose(self) -> None:
        """Close connections."""
        await self._sessions.aclose()

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """Answer Meta's handshake: echo `hub.challenge` if it knows our verify token."""
        return webhooks.challenge(self._settings.verify_token, query)

    def precheck_webhook(self, headers: Mapping[str, str]) -> None:
        """Check the form of Meta's signature header; its validity depends on the body."""
        webhooks.precheck(self._settings.app_secret, headers)

    def parse_webhook(
        self, headers: Mapping[str, str], body: bytes
    ) -> Sequence[contract.Event | Unreadable]:
        """Parse statuses, messages, preferences and alarms; ignore anything unknown."""
        changes, unreadable = webhooks.changes(self._settings.app_secret, headers, body)
        ours = webhooks.ours(
            changes, number=self._settings.phone_id, account=self._settings.account_id
        )
        events = [event for change in ours for event in webhooks.events(change, _later_failure)]
        return [*events, *unreadable]

    async def probe(self) -> bool:
        """True if the number answers."""
        return (await self._account.number("id"))[0] == 200

    async def check(self) -> Sequence[Finding]:
        """Check the number and, if the account is configured, every template in each language."""
        number = number_finding(*await self._account.number(NUMBER_FIELDS))
        if not self._settings.account_id:
            mend = "Isi WHATSAPP_ACCOUNT_ID (lihat WhatsApp Manager)."
            return [
                number,
                Finding(ok=None, what="Templat WhatsApp belum dapat diperiksa.", mend=mend),
            ]
        status, registered = await self._account.templates()
        if status != 200:
            return [number, refusal("Akun WhatsApp", status, registered)]
        return [
            number,
            *(
                template_finding(template, registered["data"])
                for template in definitions(self._settings)
            ),
        ]


def _later_failure(error: GraphError, address: str) -> Failure:
    return failure_of(error, status=0, address=address)


def open_channel(settings: Settings) -> contract.PushChannel:
    """Open the channel with these settings."""
    return WhatsApp(settings)
