"""A process of a cluster: it runs until SIGTERM or SIGINT, ends gracefully then, and at once at the second signal."""

import asyncio
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
from millstream_runtime.logging_setup import set_up_logging


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
        event_loop.run(work())


async def until_told(service: Service, otherwise: Coroutine[Any, Any, None]) -> bool:
    """Wait for a signal, or for `otherwise`, then stop the service; True when it was a signal.

    What `otherwise` raises is how the service has failed: Problem, once the service is stopped.
    """
    settle()
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def signalled() -> None:
        told.set()
        for number in _SIGNALS:  # the second one has Python's own effect
            loop.remove_signal_handler(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, signalled)
    life = asyncio.create_task(otherwise)
    waits = (asyncio.create_task(told.wait()), life)
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await service.stop()
    if not life.cancelled() and (error := life.exception()) is not None:
        text = f"it has failed by a mistake of Millstream's ({type(error).__name__}: {error}); its log has the details"
        raise Problem(text, ExitCode.FAILED) from error
    return told.is_set()


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def say(text: str) -> None:
    """On stdout at once, for whoever starts the process waits for it."""
    click.echo(text)  # flushes
