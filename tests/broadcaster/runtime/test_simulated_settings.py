"""Settings of a simulation: those that would reach a real provider are refused."""

import pytest

from broadcaster.runtime import config
from broadcaster.runtime.config import BadSettings
from support.browsing import CREDENTIALS


def test_a_simulation_beside_stand_ins_is_fine() -> None:
    assert config.read({**CREDENTIALS, "BROADCASTER_SIMULATED": "true"}).settings.simulated


@pytest.mark.parametrize(
    ("unset", "named"),
    [
        ("TELEGRAM_API_URL", "telegram"),
        ("WHATSAPP_API_URL", "whatsapp"),
        ("BROADCASTER_SIMULATION_URL", "email"),
    ],
)
def test_a_simulation_beside_a_real_provider_is_refused_by_name(unset: str, named: str) -> None:
    variables = {name: value for name, value in CREDENTIALS.items() if name != unset}
    with pytest.raises(BadSettings, match=rf"asli: {named}\."):
        config.read({**variables, "BROADCASTER_SIMULATED": "true"})
    assert not config.read(variables).settings.simulated
