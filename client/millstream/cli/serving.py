"""A process of a cluster: it runs until SIGTERM or SIGINT, ends gracefully then, and at once at one more signal.

Whoever sends SIGTERM (an orchestrator, as a rule) gives the process time to hand over what it does; at Ctrl-C a person
waits for the prompt, so nothing is handed over. A second signal ends the handing over; what comes while the service is
being stopped ends the process as it is.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import click

from millstream.cli.answers import Problem, told_by_exit_code
from millstream.cli.collector import settle
from millstream.cli.exit_codes import ExitCode
from millstream.cli.interrupts import raise_them
from millstream.execution.platforms import check_platform
from millstream_dataflow.configuration import Configuration
from millstream_runtime import event_loop
from millstream_runtime.logging_setup import set_up_logging, stdout_is_log

_log = logging.getLogger("millstream")


class Service(Protocol):
    """What runs."""

    async def stop(self) -> None:
        """End gracefully."""
        ...


def serve(process: str, configuration: Configuration, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Set up what every process of a cluster needs, and run `work` to its end."""
    with told_by_exit_code():
        check_platform(f"a {process}")
        path = set_up_logging(configuration, process)
        if path is not None:
            click.echo(f"Logs go to {path}")
        raise_them()
        event_loop.run(_ended_by_sigterm(work()))


async def _ended_by_sigterm(work: Coroutine[Any, Any, None]) -> None:
    """What has begun to start is taken apart as well, however long it would still take: a storage may hang. From
    `until_told` on SIGTERM is its own.
    """
    loop, working = asyncio.get_running_loop(), asyncio.current_task()
    assert working is not None
    told = asyncio.Event()

    def end() -> None:
        loop.remove_signal_handler(signal.SIGTERM)  # as there, the second one has its own effect
        told.set()
        working.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        await work
    except asyncio.CancelledError:
        if not told.is_set():
            raise


async def until_told(
    service: Service,
    otherwise: Coroutine[Any, Any, None],
    hand_over: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> bool:
    """Wait for a signal, or for `otherwise`, then stop the service; True when it was a signal. Between SIGTERM and the
    stop it waits for `hand_over`, or for one more signal.

    What `otherwise` raises is how the service has failed: Problem, once the service is stopped.
    """
    settle()
    loop = asyncio.get_running_loop()
    signals = asyncio.Queue[signal.Signals]()
    for number in _SIGNALS:
        loop.add_signal_handler(number, signals.put_nowait, number)
    life, told = asyncio.create_task(otherwise), asyncio.create_task(signals.get())
    waits: list[asyncio.Task[Any]] = [life, told]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if hand_over is not None and told.done() and told.result() is signal.SIGTERM:
            second = asyncio.create_task(signals.get(), name="the second signal")
            waits += [second, asyncio.create_task(hand_over(), name="handing over")]
            await asyncio.wait(set(waits) - {told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for number in _SIGNALS:  # from here on a signal has Python's own effect
            loop.remove_signal_handler(number)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await service.stop()
    if not life.cancelled() and (error := life.exception()) is not None:
        if isinstance(error, Problem):
            raise error
        text = f"it has failed by a mistake of Millstream's ({type(error).__name__}: {error}); its log has the details"
        raise Problem(text, ExitCode.FAILED) from error
    return not told.cancelled()


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def say(text: str) -> None:
    """On stdout at once, for whoever starts the process waits for it; as a line of the log where that is there."""
    if stdout_is_log():
        _log.info("%s", text)
    else:
        click.echo(text)  # flushes
