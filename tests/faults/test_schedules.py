"""Random schedules of faults in a city of 5,000: nothing is lost, what doubled is admitted, the
status shown is true.

FAULT_SCHEDULES says how many for each database (5), FAULT_SEED repeats one, FAULT_LEASE sets the
lease (2 s).
"""

import asyncio
import os
import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from faults.city import WHOLE, WORKERS, City, Ground, founded
from faults.invariants import InvariantCheck, Watcher
from faults.processes import Disk
from faults.schedule import Schedule, ScheduleRun, draw, seeds
from support.waiting import until

LEASE = float(os.environ.get("FAULT_LEASE") or 2)
SEED = int(os.environ["FAULT_SEED"]) if os.environ.get("FAULT_SEED") else None
SEEDS = list(seeds(int(os.environ.get("FAULT_SCHEDULES") or 5), SEED))
PATIENCE = 60 + 6 * LEASE
"""Seconds after which a run that is not done has lost something."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_and_the_status_is_true(seed: int, ground: Ground) -> None:
    schedule = draw(seed, ground.kind)
    print(schedule, *schedule.left_out, sep="\n")
    folder = Path(tempfile.mkdtemp(prefix=f"siaran-faults-{seed}-{ground.kind}-"))
    disk = Disk(folder / "disk") if schedule.needs_disk else None
    with disk.mounted() if disk else nullcontext():
        async with founded(
            ground, folder, seed=seed, lease=LEASE, hooks=schedule.hooks, disk=disk
        ) as city:
            violations = await run(city, schedule)
    print(*city.steps, sep="\n")
    assert not violations, report(violations, schedule, city, folder)
    shutil.rmtree(folder)  # kept after a failure


async def run(city: City, schedule: Schedule) -> list[str]:
    """Publish, play the schedule, wait for the end; returns the violated invariants."""
    watcher, schedule_run = Watcher(city), ScheduleRun(city, schedule, LEASE)
    watching = asyncio.create_task(watcher.watch())
    try:
        async with asyncio.timeout(PATIENCE):
            await city.publish("pertama", areas=WHOLE, expires_in=schedule.expires_in)
            await schedule_run.play()
            await city.over()
            city.say("all is done")
            await until(
                lambda: not city.providers.callbacks.waiting,
                seconds=PATIENCE,
                what="webhooks are posted",
            )
    except TimeoutError:
        city.say("not done in time")
        city.hold_fast()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await city.supervisor.stop_all(WORKERS)
    city.say("the workers have ended")
    check = InvariantCheck(city, schedule_run.uncertain)
    violations = [*check.violations(), *await check.api_violations(), *watcher.lies]
    city.say(f"{watcher.looks} looks at the progress; possible duplicates: {check.doubles}")
    return violations


def report(violations: list[str], schedule: Schedule, city: City, folder: Path) -> str:
    """Return everything needed to understand and repeat a failure."""
    repeat = f"FAULT_SEED={schedule.seed} FAULT_LEASE={LEASE:g} python -m pytest tests/faults/test_schedules.py -k {schedule.kind}"
    played = {channel: dict(mischief.done) for channel, mischief in city.providers.mischief.items()}
    return "\n".join(
        ["", *violations, "", f"played: {played}", f"logs: {folder}/*.log", f"repeat: {repeat}"]
    )
