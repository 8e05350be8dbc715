"""Settings of the program and, by prefix, of each channel module; the only reader of the
environment.
"""

import importlib
import json
import os
import pkgutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

import channels
from broadcaster.domain.setting_values import check_log_level
from broadcaster.runtime.misspelt_settings import Spelling
from broadcaster.runtime.settings import OIDC, PREFIX, Settings, variable
from channels.base.contract import PullChannel, PushChannel
from channels.base.settings import ChannelSettings

LOG_LEVEL = f"{PREFIX}LOG_LEVEL"


class BadSettings(Exception):
    """The settings are not usable; the message names every missing or wrong one, and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Settings, with each channel module and its own settings."""

    settings: Settings
    variables: Mapping[str, str] = field(repr=False)
    modules: Mapping[str, ModuleType]
    channel_settings: Mapping[str, ChannelSettings]
    unknown: tuple[str, ...] = ()
    """A sentence for each variable that shares a prefix with our settings but is none of them."""

    def is_open(self, name: str) -> bool:
        """True if announcements go out by this channel: it is selected, and its required
        settings are present.
        """
        chosen = self.settings.channels
        return (not chosen or name in chosen) and not self.channel_settings[name].missing()


SIMULATION = "simulation.json"
"""File in the data folder of a demo with its settings, so that every command in that folder
joins it.
"""


def simulation(data_dir: Path) -> dict[str, str]:
    """Read the variables of the demo in this folder; empty for a real installation. Raises
    BadSettings for a damaged file.
    """
    path = data_dir / SIMULATION
    if not path.exists():
        return {}
    try:
        return {str(name): str(value) for name, value in dict(json.loads(path.read_text())).items()}
    except (ValueError, TypeError) as error:
        raise BadSettings(
            f"{path} rusak. Hapus foldernya dan jalankan `broadcaster demo` lagi."
        ) from error


def data_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return BROADCASTER_DATA_DIR, or ./data."""
    given = (os.environ if environ is None else environ).get(f"{PREFIX}DATA_DIR")
    return Path(given or Settings.model_fields["data_dir"].default)


def log_level() -> str:
    """Read the log level of the environment, "" for the default; raises BadSettings."""
    try:
        return check_log_level(os.environ.get(LOG_LEVEL, ""))
    except ValueError as error:
        raise BadSettings(f"{LOG_LEVEL}: {error}.") from error


def set_log_level(level: str) -> None:
    """Set the log level of this process and of its children."""
    os.environ[LOG_LEVEL] = level


def environment() -> dict[str, str]:
    """Copy this process's variables, to pass on to children."""
    return dict(os.environ)


def read(environ: Mapping[str, str] | None = None, **overrides: Any) -> Loaded:
    """Read all settings from `environ` (default: that of the process); raises BadSettings with
    every error at once.
    """
    variables = _variables(environ, overrides)
    own = _own(variables)
    problems: list[str] = []
    try:
        settings = Settings.model_validate({**own, **overrides})
    except ValidationError as error:
        problems += _sentences("", error)
        # go on, so that errors of the channels are reported too
        settings = Settings.model_validate({"channels": own.get("channels", "")})
    modules = channel_modules()
    per_channel: dict[str, ChannelSettings] = {}
    for name, module in modules.items():
        try:
            per_channel[name] = module.Settings.read(variables, settings.site)
        except ValidationError as error:
            problems += _sentences(module.Settings.prefix, error)
    problems += _unknown(settings, modules) + _mixed(settings, modules, per_channel)
    problems += _missing(settings, per_channel)
    spelling = _spelling(modules)
    problems += spelling.mistakes(variables)
    if problems:
        raise BadSettings("\n".join(problems))
    return Loaded(
        settings=settings,
        variables=variables,
        modules=modules,
        channel_settings=per_channel,
        unknown=tuple(spelling.unknown(variables)),
    )


def check_spelling() -> None:
    """Raise BadSettings for variables of this process that can only be misspelt settings."""
    if mistakes := _spelling(channel_modules()).mistakes(os.environ):
        raise BadSettings("\n".join(mistakes))


def read_settings() -> Settings:
    """Read the program's own settings from this process's variables, without those of the
    channels; raises BadSettings.
    """
    variables = _variables(None, {})
    own = {variable(name) for name in Settings.model_fields}
    if any(name.upper().startswith(PREFIX) and name not in own for name in variables):
        read()  # names every mistake at once
    try:
        return Settings.model_validate(_own(variables))
    except ValidationError as error:
        raise BadSettings("\n".join(_sentences("", error))) from error


def _variables(environ: Mapping[str, str] | None, overrides: Mapping[str, Any]) -> dict[str, str]:
    """Collect all variables, including those of a demo in the data folder."""
    variables = dict(os.environ if environ is None else environ)
    return variables | simulation(Path(overrides.get("data_dir") or data_folder(variables)))


def _own(variables: Mapping[str, str]) -> dict[str, str]:
    """Collect the values of Settings, by field; an empty variable counts as absent."""
    own = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in variables.items()
        if name.startswith(PREFIX) and value != ""
    }
    sign_on = {
        name.lower(): value
        for name, value in variables.items()
        if name.startswith(OIDC) and value != ""
    }
    return own | sign_on


def _spelling(modules: Mapping[str, ModuleType]) -> Spelling:
    own = (variable(name) for name in Settings.model_fields)
    known = frozenset(own).union(*(module.Settings.variables() for module in modules.values()))
    return Spelling(known=known, own=PREFIX)


def _unknown(settings: Settings, known: Collection[str]) -> list[str]:
    names = ", ".join(sorted(known))
    return [
        f"{PREFIX}CHANNELS menyebut {name!r}, yang bukan kanal. Yang ada: {names}."
        for name in settings.channels
        if name not in known
    ]


def _mixed(
    settings: Settings,
    modules: Mapping[str, ModuleType],
    per_channel: Mapping[str, ChannelSettings],
) -> list[str]:
    """Refuse real providers in a simulation, whose page lets anyone publish."""
    real = [
        name
        for name, channel in per_channel.items()
        if settings.simulated
        and hasattr(modules[name], "parse_address")  # a push channel
        and not channel.missing()
        and _is_real(channel, settings.simulation_url)
    ]
    return (
        [
            f"{PREFIX}SIMULATED terisi, padahal kanal ini asli: {', '.join(real)}. "
            "Kosongkan salah satunya."
        ]
        if real
        else []
    )


def _is_real(channel: ChannelSettings, simulation_url: str) -> bool:
    url = type(channel).model_fields.get("api_url")
    return (
        getattr(channel, "api_url", None) == url.default if url is not None else not simulation_url
    )


def _missing(settings: Settings, per_channel: Mapping[str, ChannelSettings]) -> list[str]:
    missing = [
        variable
        for name, channel in per_channel.items()
        if name in settings.channels
        or (channel.missing() and len(channel.missing()) < len(channel.required))
        for variable in channel.missing()
    ]
    sign_on = {
        name: getattr(settings, name)
        for name in ("oidc_issuer", "oidc_client_id", "oidc_client_secret")
    }
    missing += [
        variable(name) for name, value in sign_on.items() if not value and any(sign_on.values())
    ]
    return [f"Setelan belum diisi: {', '.join(missing)}"] if missing else []


def _sentences(prefix: str, error: ValidationError) -> list[str]:
    """Describe each error; `prefix` is that of a channel, "" for the program's own settings."""
    named = [("_".join(str(part) for part in detail["loc"]), detail) for detail in error.errors()]
    return [
        f"{prefix + name.upper() if prefix else variable(name)}: {_sentence(detail)}."
        for name, detail in named
    ]


def _sentence(detail: ErrorDetails) -> str:
    """Describe the expected value; pydantic's own message for error types that our settings do
    not have.
    """
    limits = detail.get("ctx", {})
    words = {
        "int_parsing": "harus bilangan bulat",
        "float_parsing": "harus bilangan",
        "bool_parsing": "harus true atau false",
        "greater_than_equal": f"paling kecil {limits.get('ge')}",
        "greater_than": f"harus lebih dari {limits.get('gt')}",
        "less_than_equal": f"paling besar {limits.get('le')}",
        "string_pattern_mismatch": f"harus cocok dengan {limits.get('pattern')}",
        "value_error": str(limits.get("error")),
    }
    return words.get(detail["type"], detail["msg"])


def channel_modules() -> dict[str, ModuleType]:
    """Import every channel: each module directly in `channels`, by name."""
    names = sorted(m.name for m in pkgutil.iter_modules(channels.__path__) if not m.ispkg)
    return {name: importlib.import_module(f"channels.{name}") for name in names}


def open_channels(loaded: Loaded) -> tuple[dict[str, PushChannel], dict[str, PullChannel]]:
    """Build every channel from its settings: push and pull. Channels without credentials can
    still render.
    """
    push: dict[str, PushChannel] = {}
    pull: dict[str, PullChannel] = {}
    for name, module in loaded.modules.items():
        channel = module.open_channel(loaded.channel_settings[name])
        if hasattr(channel, "render_page"):
            pull[name] = channel
        else:
            push[name] = channel
    return push, pull
