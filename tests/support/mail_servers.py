"""Stand-in mail servers, set up with the scripts that tests use most."""

from collections.abc import Iterable, Mapping

from broadcaster.simulation.smtp import SmtpStandIn
from broadcaster.simulation.smtp_script import Play, ScriptedAnswer, SmtpScript


def stepwise(steps: Mapping[str, Play | list[Play]]) -> SmtpStandIn:
    """Return a server without PIPELINING that misbehaves at some steps only."""
    return SmtpStandIn(script=SmtpScript(steps=dict(steps)), pipelining=False)


def picky(
    recipients: Mapping[str, ScriptedAnswer] | None = None, *, pipelining: bool = True
) -> SmtpStandIn:
    """Return a server that misbehaves to some recipients only."""
    return SmtpStandIn(script=SmtpScript(recipients=recipients or {}), pipelining=pipelining)


def taped(tape: Iterable[Play] = (), *, extensions: str = "PIPELINING") -> SmtpStandIn:
    """Return a server that plays the tape, reply by reply, and offers these extensions only."""
    words = ["standin.example", *extensions.split(",")]
    ehlo = [f"250{'-' if word != words[-1] else ' '}{word}" for word in words]
    return SmtpStandIn(script=SmtpScript(tape=tape, steps={"EHLO": "\r\n".join(ehlo)}))
