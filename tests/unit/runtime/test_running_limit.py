"""How long others have, by the time in which this process ran."""

import asyncio
import time

import pytest

from millstream_runtime.running_limit import TICKS, running_limit


async def test_time_in_which_the_loop_runs_counts() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with running_limit(0.05):
            await asyncio.Event().wait()
    assert time.monotonic() - began >= 0.05


async def test_what_is_done_in_time_has_no_limit_any_more() -> None:
    async with running_limit(0.01):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)  # longer than the limit


async def test_a_process_that_is_always_late_ends_it_too() -> None:
    """After twice as many ticks."""

    async def is_late() -> None:
        for _ in range(10 * TICKS):
            time.sleep(0.01)  # noqa: ASYNC251  # longer than a tick
            await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        async with running_limit(0.05):
            await is_late()


async def test_time_in_which_it_stood_still_does_not_count() -> None:
    """However often: no tick has passed between."""
    async with running_limit(0.05):
        for _ in range(3):
            time.sleep(0.1)  # noqa: ASYNC251  # it stands still for longer than the limit
            await asyncio.sleep(0)
            await asyncio.sleep(0)
