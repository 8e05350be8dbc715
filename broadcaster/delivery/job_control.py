"""The control of one drain job: when it must end, shared by all that work in it."""

import asyncio
from dataclasses import dataclass

from broadcaster.store.leases import suspend_proof


@dataclass(kw_only=True)
class JobControl:
    """Says whether a job may go on; `deadline` counts in `suspend_proof` seconds."""

    deadline: float
    stopping: asyncio.Event
    closed: bool = False

    def close(self) -> None:
        """End the job: the channel takes no more for now."""
        self.closed = True

    @property
    def ended(self) -> bool:
        """Check whether nothing more may begin, whatever is under way."""
        return self.closed or self.stopping.is_set()

    @property
    def over(self) -> bool:
        """Check whether it has ended or its time is up."""
        return self.ended or suspend_proof() >= self.deadline
