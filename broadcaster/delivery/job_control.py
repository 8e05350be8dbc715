"""Control of one drain job: when it must end, shared by all of its tasks."""

import asyncio
from dataclasses import dataclass

from broadcaster.store.leases import suspend_proof


@dataclass(kw_only=True)
class JobControl:
    """Stop signal of a job; `deadline` counts in `suspend_proof` seconds."""

    deadline: float
    stopping: asyncio.Event
    closed: bool = False

    def close(self) -> None:
        """End the job: the channel takes nothing more for now."""
        self.closed = True

    @property
    def ended(self) -> bool:
        """True if nothing more may begin, even while work is in flight."""
        return self.closed or self.stopping.is_set()

    @property
    def over(self) -> bool:
        """True if the job has ended or its time is up."""
        # `ended` is spelled out: this is asked before each write
        return self.closed or self.stopping.is_set() or suspend_proof() >= self.deadline
