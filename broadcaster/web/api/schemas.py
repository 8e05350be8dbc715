"""Models of API requests and answers, from which the OpenAPI document is generated."""

from pydantic import BaseModel, ConfigDict, Field

from broadcaster.domain.fields import Fields


class NewAnnouncement(Fields):
    """An announcement, and whether to publish it at once."""

    publish: bool = Field(
        False,
        description=(
            "True needs a token with scope publish; else the announcement is kept as a draft."
        ),
    )


class CorrectedAnnouncement(Fields):
    """The whole announcement as it should read now."""

    reason: str = Field(
        min_length=1,
        max_length=300,
        description="What was wrong, in a sentence that residents read.",
    )


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reason(_Body):
    """Reason for an action."""

    reason: str = Field("", max_length=300)


class WithdrawalReason(_Body):
    """Reason for a withdrawal."""

    reason: str = Field(min_length=1, max_length=300, description="A sentence that residents read.")


class NewSubscriber(_Body):
    """Address of a resident with proof of consent, as in a row of the CSV."""

    channel: str = Field(max_length=40)
    address: str = Field(max_length=320)
    areas: str | list[str] = Field(description="Slugs or codes, as a list or separated by spaces.")
    topics: str | list[str] = Field(
        "", description="Slugs; empty: all; `darurat`: emergencies only."
    )
    language: str = Field("id", max_length=40)
    consent_source: str = Field(max_length=200, description="By which way consent was given.")
    consent_at: str = Field(max_length=40, description="When; without a zone it is WIB.")
    subscriber: str = Field(
        "", max_length=200, description="Joins several addresses of one person."
    )


class Published(BaseModel):
    """Stored announcement."""

    id: str
    code: str
    status: str
    url: str


class Channel(BaseModel):
    """Status of one channel."""

    sending: str = Field(description="preparing, running, paused, stopped, superseded or done")
    why: str = Field(description="Why it is paused or stopped, in words.")
    halted: str = Field(
        description=(
            "Empty; probe: asked each minute whether it is back; manual: waits for an operator."
        )
    )
    detail: str = Field(description="Why it is halted.")
    paused_until: str | None = Field(description="The provider asked us to wait until then.")
    held_suppressions: int = Field(
        description="Addresses called dead, in suspicious number: an operator decides."
    )


class WaitingRows(BaseModel):
    """Deliveries that wait for a later attempt."""

    channel: str
    reason: str = Field(
        description=(
            "Empty where the provider asked for it; unreachable: nobody answers; "
            "trouble: the provider is out of order; tier: its people a day are used up; "
            "unreadable: the address cannot be opened."
        )
    )
    provider_code: str
    count: int
    next_try: str = Field(description="When the first of them is tried again.")


class HeldUp(BaseModel):
    """Reason why a channel is held up."""

    channel: str
    cause: str = Field(
        description=(
            "halted, probing, limited, stopped, unreachable, trouble, tier, unreadable or later"
        )
    )
    count: int
    until: str | None = Field(
        description="Until when, with date; null where a person must act or nobody knows."
    )
    words: str = Field(description="The same as people read it.")
    remedy: str = Field(description="What can be done.")


class FailedRows(BaseModel):
    """Deliveries that failed or have an unknown outcome, by cause."""

    channel: str
    state: str = Field(description="failed, skipped, cancelled, expired or unconfirmed")
    reason: str
    words: str = Field(description="The reason as people read it.")
    provider_code: str
    count: int


class Status(Published, title="Announcement"):
    """Status of an announcement; `deliveries` are counts by channel and state."""

    sending: str = Field(description="preparing, running, paused, stopped or done")
    possible_duplicates: int
    people: int | None = Field(
        default=None,
        description="Different persons among the deliveries; null until all of these are there.",
    )
    deliveries: dict[str, dict[str, int]]
    channels: dict[str, Channel]
    waiting: list[WaitingRows]
    failures: list[FailedRows]
    held_up: list[HeldUp]
    causes_complete: bool = Field(
        description=(
            "False while `waiting` and `failures` do not yet count every row of a large sending: "
            "ask again."
        )
    )


class Retried(Status, title="Retried"):
    """Status after a retry, with the deliveries reopened and those left out by reason."""

    retried: int
    left_out: dict[str, int] = Field(
        description=(
            "opted_out, address_dead, address_gone, address_unconfirmed, expired, superseded, "
            "stopped, paused or folded"
        )
    )


class AreaAnswer(BaseModel):
    """Area; `parent` is the code of the area above."""

    code: str
    slug: str
    name: str
    full_name: str
    level: str
    parent: str | None
    aliases: list[str]


class Areas(BaseModel):
    """Every area of the city."""

    areas: list[AreaAnswer]


class SubscriberAnswer(BaseModel):
    """Result of adding a subscriber."""

    result: str


class ProblemItem(BaseModel):
    """Invalid field and its remedy."""

    field: str
    code: str = Field(description="Why, as a word that stays the same in every language.")
    reason: str
    remedy: str


class ProblemDetails(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field("", description="Why, where an act is refused as a whole.")
    problems: list[ProblemItem] = Field(default_factory=list)
