"""Startup hook of every process of a fault run: on SIGUSR1 it writes to standard error where each
of its tasks waits.
"""

import asyncio
import gc
import signal
import sys
import traceback
from typing import Any


def _tell(_number: int, _frame: object) -> None:
    for task in [
        each for each in gc.get_objects() if isinstance(each, asyncio.Task) and not each.done()
    ]:
        sys.stderr.write(f"{task.get_name()}:\n")
        waiting: Any = task.get_coro()
        while waiting is not None:
            frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None)
            if frame is not None:
                sys.stderr.writelines(traceback.format_list(traceback.extract_stack(frame, 1)))
            waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "ag_await", None)
    sys.stderr.flush()


signal.signal(signal.SIGUSR1, _tell)
