"""Settings of the program: one field for each variable, with its bounds and its meaning."""

import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from broadcaster.domain.setting_values import Hosts, Phones, Proxies, check_log_level
from channels.base.contract import Site, Topic
from channels.base.settings import Items, items

PREFIX = "BROADCASTER_"


OIDC = "OIDC_"
"""Prefix of the single sign-on settings, without BROADCASTER_."""


TOPICS: tuple[Topic, ...] = tuple(
    Topic(slug=slug, labels={"id": indonesian, "en": english})
    for slug, indonesian, english in (
        ("gangguan-layanan", "Gangguan layanan", "Service disruption"),
        ("kesehatan", "Kesehatan", "Health"),
        ("bansos", "Bansos", "Social assistance"),
        ("acara", "Acara", "Events"),
        ("lowongan", "Lowongan", "Job openings"),
        ("cuaca", "Cuaca", "Weather"),
        ("keamanan", "Keamanan", "Safety"),
        ("lainnya", "Lainnya", "Other"),
    )
)


class Settings(BaseModel):
    """Settings of the program; field `data_dir` is the variable BROADCASTER_DATA_DIR."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    data_dir: Path = Field(
        default=Path("data"),
        description="Folder of the SQLite file, the embedded Valkey and the secret key.",
    )
    database_url: str = Field(
        default="",
        description="postgresql://user:password@host/name; empty: SQLite in the data folder.",
    )
    redis_url: str = Field(
        default="", description="redis://host:6379/0; empty: the embedded Valkey."
    )
    base_url: str = Field(
        default="",
        description="The address residents see; empty: this machine, at the web server's port.",
    )
    secret_key: str = Field(
        default="",
        description="32 bytes, base64 or hex; empty: made and kept (0600) in the data folder.",
    )
    channels: Items = Field(
        default=(), description="Channels that are open; empty: all that are configured."
    )
    host: str = Field(default="127.0.0.1", description="Where the web server listens.")
    port: int = Field(default=8000, ge=0, le=65535, description="The web server's port.")
    trusted_proxies: Proxies = Field(
        default=("127.0.0.1", "::1"),
        description="Addresses or networks whose X-Forwarded-For is believed.",
    )
    lease: float = Field(
        default=30.0,
        ge=1,
        le=600,
        description="Seconds a worker may hold a slice without renewing.",
    )
    instance: str = Field(
        default="",
        description=(
            "Name of this installation, where its disk has no lasting numbers: "
            "a copy must have another name."
        ),
    )
    city: str = Field(default="Kota Cimahi", description="The city's name in messages.")
    sender: str = Field(default="Info Kota Cimahi", description="The sender's name in messages.")
    domain: str = Field(
        default="",
        description="Domain in Message-IDs, List-Ids and feed ids; empty: the base URL's host.",
    )
    code_prefix: str = Field(
        default="CMH",
        pattern="^[A-Z]{2,4}$",
        description="First letters of the verification codes.",
    )
    break_glass: bool = Field(
        default=False,
        description="Whether one person alone may publish an emergency; alarms every pengelola.",
    )
    link_hosts: Hosts = Field(
        default=(), description="Hosts that links may name, with their subdomains; empty: any."
    )
    phones: Phones = Field(
        default=(),
        description="The city's own telephone numbers; others are pointed out. Empty: none is.",
    )
    media_url: str = Field(
        default="",
        repr=False,
        description=(
            "s3://key:secret@host/bucket?region=..&tls=.. for pictures; empty: the data folder."
        ),
    )
    log_level: str = Field(
        default="",
        description="debug, info, warning or error; empty: info for servers, warning for commands.",
    )
    simulated: bool = Field(
        default=False, description="Set by `broadcaster demo`: marks each message [SIMULASI]."
    )
    simulation_url: str = Field(
        default="", description="Set by `broadcaster demo`: where the stand-in providers answer."
    )
    oidc_issuer: str = Field(
        default="", description="Single sign-on: the provider's address (OIDC_ISSUER)."
    )
    oidc_client_id: str = Field(
        default="", description="Single sign-on: who we are there (OIDC_CLIENT_ID)."
    )
    oidc_client_secret: str = Field(
        default="", repr=False, description="Single sign-on: our secret (OIDC_CLIENT_SECRET)."
    )
    oidc_scope: str = Field(
        default="openid profile email", description="Single sign-on: what we ask for (OIDC_SCOPE)."
    )
    oidc_role_claim: str = Field(
        default="roles", description="Single sign-on: the claim that names roles (OIDC_ROLE_CLAIM)."
    )
    oidc_role_separator: Literal["", "space", "comma"] = Field(
        default="",
        description=(
            "Single sign-on: what cuts a text claim into values; "
            "empty: it is one (OIDC_ROLE_SEPARATOR)."
        ),
    )
    oidc_roles: str = Field(
        default="",
        description=(
            "Single sign-on: value=role pairs; empty: our words but pengelola (OIDC_ROLES)."
        ),
    )

    @field_validator("base_url")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("harus diawali http:// atau https://")
        return value.rstrip("/")

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        return check_log_level(value)

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("harus diawali redis://, rediss:// atau unix://")
        return value

    @field_validator("media_url")
    @classmethod
    def _media(cls, value: str) -> str:
        from broadcaster.store.s3 import Location  # noqa: PLC0415  quick start

        Location.of(value) if value else None
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _provider(cls, value: str) -> str:
        loopback = value.startswith("http://") and urlsplit(value).hostname in (
            "127.0.0.1",
            "localhost",
            "::1",
        )
        if value and not loopback and not value.startswith("https://"):
            raise ValueError("harus diawali https://")
        return value

    @field_validator("oidc_scope")
    @classmethod
    def _scope(cls, value: str) -> str:
        scopes = items(value)
        if "openid" not in scopes:
            raise ValueError("harus memuat openid, misalnya: openid profile email roles")
        if not all(re.fullmatch(r"[!#-\[\]-~]+", scope) for scope in scopes):
            raise ValueError("berisi huruf atau tanda yang tidak boleh")
        return " ".join(scopes)

    @field_validator("oidc_roles")
    @classmethod
    def _roles(cls, value: str) -> str:
        from broadcaster.domain.accounts import (  # noqa: PLC0415  quick start
            BadAccount,
            read_role_mapping,
        )
        from broadcaster.runtime.refusal_words import indonesian  # noqa: PLC0415  quick start

        try:
            read_role_mapping(value)
        except BadAccount as refused:
            raise ValueError(indonesian(refused)) from refused
        return value

    @model_validator(mode="before")
    @classmethod
    def _own_address(cls, values: dict[str, Any]) -> dict[str, Any]:
        return (
            values
            if values.get("base_url")
            else {**values, "base_url": f"http://127.0.0.1:{values.get('port', 8000)}"}
        )

    @property
    def database(self) -> str:
        """Effective database URL."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'siaran.db').resolve()}"

    @property
    def site(self) -> Site:
        """The city as channels and pages name it."""
        host = self.base_url.split("://", 1)[1].split("/", 1)[0].split(":", 1)[0]
        return Site(
            base_url=self.base_url,
            city=self.city,
            sender=self.sender,
            domain=self.domain or host,
            simulated=self.simulated,
        )

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The city's categories."""
        return TOPICS


def variable(name: str) -> str:
    """Name the environment variable of a field of Settings."""
    return name.upper() if name.startswith(OIDC.lower()) else PREFIX + name.upper()
