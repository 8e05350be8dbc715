"""The stand-in mail server, set up with the scripts that tests use most."""

from collections.abc import Iterable, Mapping

from broadcaster.simulation.smtp import SmtpStandIn
from broadcaster.simulation.smtp_script import Answer, Play, Script


def stepwise(steps: Mapping[str, Play | list[Play]]) -> SmtpStandIn:
    """Server without PIPELINING that is good but for some steps."""
    return SmtpStandIn(script=Script(steps=dict(steps)), pipelining=False)


def picky(
    recipients: Mapping[str, Answer] | None = None, *, pipelining: bool = True
) -> SmtpStandIn:
    """Server that is good to all but some recipients."""
    return SmtpStandIn(script=Script(recipients=recipients or {}), pipelining=pipelining)


def taped(tape: Iterable[Play] = (), *, extensions: str = "PIPELINING") -> SmtpStandIn:
    """Server that plays the tape, reply by reply, and offers these extensions only."""
    words = ["standin.example", *extensions.split(",")]
    ehlo = [f"250{'-' if word != words[-1] else ' '}{word}" for word in words]
    return SmtpStandIn(script=Script(tape=tape, steps={"EHLO": "\r\n".join(ehlo)}))
