"""API tokens: shown once, stored as a hash, ended at once."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from broadcaster.store import tokens
from broadcaster.store.database import Database
from support.wording import refuses


async def test_the_secret_finds_its_token_and_is_stored_nowhere(database: Database) -> None:
    secret = await database.write(tokens.add, "situs kota", ["write", "publish"])
    token = await database.read(tokens.find, secret)
    assert token is not None
    assert (token.name, token.scopes) == ("situs kota", {"write", "publish"})
    stored = await database.read(
        lambda connection: [
            bytes(d) for d in connection.execute(text("SELECT digest FROM token")).scalars()
        ]
    )
    assert len(stored) == 1
    assert secret.encode() not in stored[0]
    assert len(stored[0]) == 32


async def test_two_secrets_are_never_alike(database: Database) -> None:
    secrets = {
        await database.write(tokens.add, f"sistem {number}", ["read"]) for number in range(5)
    }
    assert len(secrets) == 5
    assert all(secret.startswith("siaran_") and len(secret) > 40 for secret in secrets)


@pytest.mark.parametrize("wrong", ["", "siaran_", "x", "siaran_" + "A" * 43, "\x00", "🙂"])
async def test_a_wrong_secret_finds_nothing(database: Database, wrong: str) -> None:
    await database.write(tokens.add, "situs", ["read"])
    assert await database.read(tokens.find, wrong) is None


async def test_a_revoked_token_is_no_longer_found(database: Database) -> None:
    secret = await database.write(tokens.add, "situs", ["read"])
    assert await database.write(tokens.revoke, "situs")
    assert await database.read(tokens.find, secret) is None
    assert not await database.write(tokens.revoke, "situs")
    assert not await database.write(tokens.revoke, "tidak ada")


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "hapus"]])
async def test_unknown_scopes_are_refused_by_name(database: Database, scopes: list[str]) -> None:
    with refuses(tokens.BadToken, match=scopes[-1] if scopes else "paling sedikit satu"):
        await database.write(tokens.add, "situs", scopes)
    assert await database.read(tokens.everyone) == []


async def test_a_name_is_required_and_unique(database: Database) -> None:
    with pytest.raises(tokens.BadToken, match="token_name_missing"):
        await database.write(tokens.add, "  ", ["read"])
    await database.write(tokens.add, "situs", ["read"])
    with refuses(tokens.BadToken, match="sudah ada"):
        await database.write(tokens.add, " situs ", ["write"])
    assert len(await database.read(tokens.everyone)) == 1


async def test_a_token_may_do_only_what_its_scopes_allow(database: Database) -> None:
    secret = await database.write(tokens.add, "situs", ["write"])
    token = await database.read(tokens.find, secret)
    assert token is not None
    assert [scope for scope in tokens.SCOPES if token.may(scope)] == ["write"]


async def test_its_use_is_noted_at_most_once_a_minute(database: Database) -> None:
    secret = await database.write(tokens.add, "situs", ["read"])
    fresh = await database.read(tokens.find, secret)
    assert fresh is not None
    assert tokens.needs_mark(fresh, fresh.created_at)
    await database.write(tokens.mark_used, fresh.id)
    used = await database.read(tokens.find, secret)
    assert used is not None
    assert used.last_used_at is not None
    assert not tokens.needs_mark(used, used.last_used_at + timedelta(seconds=59))
    assert tokens.needs_mark(used, used.last_used_at + timedelta(seconds=60))
