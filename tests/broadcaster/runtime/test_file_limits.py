"""The limit on open files: raised to what the system grants, in the process that serves."""

import subprocess
import sys

from broadcaster.runtime.file_limits import MOST, WANTED, file_limit
from broadcaster.web.base.admission import RESERVED_FILES, ConnectionLimits

RAISING = "from broadcaster.runtime.file_limits import file_limit, raise_file_limit; print(file_limit(), raise_file_limit(), file_limit())"


def test_a_low_limit_is_raised_to_what_the_system_grants() -> None:
    command_line = f"ulimit -Sn 256 && ulimit -Hn 800 && exec {sys.executable} -c '{RAISING}'"
    output = subprocess.run(
        ["/bin/sh", "-c", command_line], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    assert output.strip() == "(256, 800) 800 (800, 800)"


def test_the_limit_now_is_never_above_the_one_that_can_be_had() -> None:
    now, most = file_limit()
    assert 0 < now <= most
    assert most <= max(now, MOST)


def test_the_files_wanted_are_enough_for_all_connections() -> None:
    assert ConnectionLimits().within(WANTED) == ConnectionLimits()
    assert (
        ConnectionLimits().reserved + 2 * ConnectionLimits().connections + RESERVED_FILES <= WANTED
    )


def test_few_files_mean_few_connections() -> None:
    limits = ConnectionLimits().within(1024)
    assert limits.connections == 384
    assert limits.per_client < limits.connections
