"""Web server: uvicorn on uvloop and httptools, stopped within five seconds by a signal or by
cancellation.
"""

import asyncio
import contextlib
import itertools
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import structlog
import uvicorn

from broadcaster.app import App
from broadcaster.runtime.file_limits import raise_file_limit
from broadcaster.web.application import create_web
from broadcaster.web.base.admission import Admission, ConnectionLimits, trusts
from broadcaster.web.base.connections import AdmissionState, LimitedConnection, sweep

log = structlog.get_logger(__name__)

GRACE_SECONDS = 3
"""Time for running answers once the server stops; open streams are cut off then."""
BACKLOG = 2_048
TICK_SECONDS = 0.1
SWEEP_TICKS = 5
"""Ticks between two sweeps of the connections."""
CLOSING_SECONDS = 0.005
"""Seconds between checks whether the last connection has closed."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Server(uvicorn.Server):
    """Server that returns after a signal, so that the caller can clean up (uvicorn would raise the
    signal again), and stops as soon as its connections are closed (uvicorn sleeps 0.1 s twice).
    """

    def __init__(
        self, config: uvicorn.Config, admission: Admission, ready: asyncio.Event | None
    ) -> None:
        super().__init__(config)
        self.server_state = AdmissionState(admission)
        self._admission = admission
        self._ready = ready
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Make `serve` shut down and return."""
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        """Tick until a signal or `stop`."""
        ticks = itertools.count()
        while not await self.on_tick(next(ticks)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._stopping.wait()

    async def on_tick(self, counter: int) -> bool:
        """Close connections that exceeded a deadline."""
        if counter % SWEEP_TICKS == 0:
            sweep(self._admission, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then set `ready`.

        Raises OSError when the port is taken (uvicorn would exit the process).
        """
        try:
            await super().startup(sockets)
        except SystemExit as error:
            raise OSError(f"cannot listen on {self.config.host}:{self.config.port}") from error
        if self._ready is not None and self.started:
            self._ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close idle connections at once, the others after their answer or GRACE_SECONDS."""
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        state = self.server_state
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await asyncio.sleep(CLOSING_SECONDS)  # what was just accepted appears
                while (state.connections or state.tasks) and not self.force_exit:
                    for connection in list(state.connections):
                        connection.shutdown()
                    await asyncio.sleep(CLOSING_SECONDS)
                for server in self.servers:
                    await server.wait_closed()
        except TimeoutError:
            log.warning("answers_cut_off", count=len(state.tasks))
            for task in state.tasks:
                task.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals while serving, if this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def serve(
    app: App,
    host: str,
    port: int,
    ready: asyncio.Event | None = None,
    *,
    listening: socket.socket | None = None,
    limits: ConnectionLimits | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM or cancellation.

    `listening` is a bound socket to use instead of host and port. Raises OSError when it cannot
    listen.
    """
    effective = (limits or ConnectionLimits()).within(raise_file_limit())
    web = create_web(app)
    web.state.admission = Admission(
        effective, web.state.refusals, trusts(app.settings.trusted_proxies)
    )
    server = _Server(
        uvicorn.Config(
            web,
            host=host,
            port=port,
            http=LimitedConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # ProxyWatch reads them, and reports untrusted ones
            timeout_keep_alive=30,
            backlog=min(BACKLOG, effective.connections),
        ),
        web.state.admission,
        ready,
    )
    serving = asyncio.create_task(server.serve([listening] if listening else None), name="web")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.stop()
        await serving
        raise


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Create an event loop for asyncio.Runner: uvloop where available, else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415  not installed on Windows
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
