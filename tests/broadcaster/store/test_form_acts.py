"""Forms submitted once, on both databases: at the same time, later, after a failure, and by another
account.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection

from broadcaster.store import form_acts
from broadcaster.store.database import Database
from broadcaster.store.form_acts import KEEP_SECONDS, FormAct

FORM = "draft satu-formulir-dari-satu-halaman"


def test_a_form_sent_again_finds_what_it_made(database: Database) -> None:
    assert database.write_now(form_acts.take, 1, FORM, 10.0) is None
    database.write_now(form_acts.keep, 1, FORM, "a1")
    assert database.write_now(form_acts.take, 1, FORM, 20.0) == FormAct(result="a1", at=10.0)
    assert database.read_now(form_acts.find, 1, FORM) == FormAct(result="a1", at=10.0)


def test_a_form_of_another_account_is_another_form(database: Database) -> None:
    database.write_now(form_acts.take, 1, FORM, 10.0)
    database.write_now(form_acts.keep, 1, FORM, "a1")
    assert database.read_now(form_acts.find, 2, FORM) is None
    assert database.write_now(form_acts.take, 2, FORM, 10.0) is None


def test_a_form_whose_act_failed_may_be_sent_again(database: Database) -> None:
    def fail(connection: Connection) -> None:
        form_acts.take(connection, 1, FORM, 10.0)
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        database.write_now(fail)
    assert database.write_now(form_acts.take, 1, FORM, 11.0) is None
    database.write_now(form_acts.forget, 1, FORM)
    assert database.write_now(form_acts.take, 1, FORM, 12.0) is None


def test_of_many_at_once_one_acts_and_the_others_find_its_result(database_url: str) -> None:
    databases = [Database(database_url) for _process in range(4)]

    def send(number: int) -> str:
        def act(connection: Connection) -> str:
            earlier = form_acts.take(connection, 1, FORM, 10.0)
            if earlier is None:
                form_acts.keep(connection, 1, FORM, f"a{number}")
                return f"a{number}"
            return earlier.result

        return databases[number].write_now(act)

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(send, range(4)))
    for database in databases:
        database.close()
    assert len(set(results)) == 1


def test_after_two_days_a_form_is_forgotten(database: Database) -> None:
    database.write_now(form_acts.take, 1, FORM, 0.0)
    database.write_now(form_acts.purge, KEEP_SECONDS)
    assert database.read_now(form_acts.find, 1, FORM) is not None
    assert database.write_now(form_acts.take, 1, FORM, KEEP_SECONDS) is None
    database.write_now(form_acts.purge, 2 * KEEP_SECONDS + 1)
    assert database.read_now(form_acts.find, 1, FORM) is None
