"""Repeated requests: the answer is stored together with the work, or not at all."""

import pytest
from sqlalchemy import Connection, text

from broadcaster.store import idempotency
from broadcaster.store.database import Database
from broadcaster.store.idempotency import KeyReused, StoredResponse

REQUEST, OTHER = b"a" * 32, b"b" * 32


def work(connection: Connection, token: int, key: str, request: bytes) -> StoredResponse:
    """Do what an endpoint does: return the stored answer, else do the work and store its answer."""
    earlier = idempotency.take(connection, token, key, request)
    if earlier is not None:
        return earlier
    count = connection.execute(text("SELECT count(*) FROM sweeper")).scalar_one()
    connection.execute(text("INSERT INTO sweeper (id) VALUES (:id)"), {"id": count})
    answer = StoredResponse(status=201, body=f'{{"id": {count}}}')
    idempotency.keep(connection, token, key, answer)
    return answer


async def test_the_second_time_the_first_answer_comes_back(database: Database) -> None:
    first = await database.write(work, 1, "k", REQUEST)
    assert await database.write(work, 1, "k", REQUEST) == first
    assert await database.write(work, 1, "k2", REQUEST) != first


async def test_keys_of_different_tokens_never_meet(database: Database) -> None:
    assert await database.write(work, 1, "k", REQUEST) != await database.write(
        work, 2, "k", REQUEST
    )


async def test_another_request_under_the_same_key_is_refused(database: Database) -> None:
    await database.write(work, 1, "k", REQUEST)
    with pytest.raises(KeyReused):
        await database.write(work, 1, "k", OTHER)


async def test_work_that_fails_leaves_the_key_free(database: Database) -> None:
    def failing(connection: Connection) -> None:
        idempotency.take(connection, 1, "k", REQUEST)
        raise RuntimeError("full disk")

    with pytest.raises(RuntimeError):
        await database.write(failing)
    assert (await database.write(work, 1, "k", OTHER)).status == 201


async def test_old_keys_are_forgotten(database: Database) -> None:
    first = await database.write(work, 1, "k", REQUEST)
    await database.write(
        lambda connection: connection.execute(
            text("UPDATE idempotency SET at = at - 8 * 24 * 3600")
        )
    )
    assert await database.write(work, 1, "k", REQUEST) != first
