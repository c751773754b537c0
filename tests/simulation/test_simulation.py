"""Thousands of seeds against the real product, and broken parts that must be found out (fault 10)."""

import gc
import os
import re
import subprocess
import sys
from collections.abc import Generator

import pytest

from tests.simulation.broken import BROKEN, WITHOUT_FENCE, BrokenCore, NeverTriggers, NoFence, broken_parts
from tests.simulation.jobmanager import REAL, Parts
from tests.simulation.outside import BrokenInvariantError, NotOverError
from tests.simulation.scenario import play

SEEDS = 5_000
BLOCK = 250
"""Seeds of one test: about 12 s."""
COLLECTED_EVERY = 25
"""Seeds: a run leaves cycles behind, and to look for them again and again takes a tenth of the time."""
WRONG = {cls.__name__: (broken_parts(cls), cls.breach) for cls in BROKEN} | {
    "WithoutFence": (WITHOUT_FENCE, NoFence.breach)
}


@pytest.fixture(autouse=True)
def _collects_rarely() -> Generator[None]:
    gc.disable()
    yield
    gc.enable()


def _play(seed: int, parts: Parts = REAL) -> None:
    if seed % COLLECTED_EVERY == 0:
        gc.collect()
    play(seed, parts)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_every_seed_ends_well(first: int) -> None:
    """Laws 1.2 to 6.1: nothing lost, nothing twice, one leader an epoch, every job at a legal end and then gone."""
    for seed in range(first, first + BLOCK):
        try:
            _play(seed)
        except Exception as error:  # noqa: BLE001  # whatever it is, the seed is the answer
            pytest.fail(f"seed={seed}: {type(error).__name__}: {error}; replay it with: make sim SEED={seed}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("parts", "breach"), WRONG.values(), ids=WRONG)
def test_what_is_broken_is_found_out_by_the_invariant_that_it_breaks(parts: Parts, breach: str) -> None:
    """A simulation that can't fail proves nothing. Laws 1.2, 1.3, 3.4, 4.3 and 4.6: it must be their breach that is
    seen, and no mistake of the broken part itself.
    """
    for seed in range(SEEDS):
        try:
            _play(seed, parts)
        except BrokenInvariantError as error:
            if re.search(breach, str(error)):
                return
        except Exception:  # noqa: BLE001  # a mistake of its own proves nothing: on with the next seed
            continue
    pytest.fail(f"{SEEDS} seeds didn't show {breach}: the simulation doesn't look closely enough")


def test_a_core_that_stands_still_breaks_nothing() -> None:
    """So it isn't what finds a broken one."""
    for seed in range(5):
        with pytest.raises(NotOverError, match="the job is not over"):
            _play(seed, broken_parts(NeverTriggers))


def test_a_core_that_is_made_like_the_broken_ones_but_not_spoilt_passes() -> None:
    play(0, broken_parts(BrokenCore))


def test_a_seed_replays_exactly() -> None:
    """The same seed tells the same story, line by line."""
    stories = [play(17, tell=True).world.story for _ in range(2)]
    assert stories[0] == stories[1]


def test_a_story_that_is_told_is_the_one_that_was_played() -> None:
    """To listen changes nothing."""
    assert play(19, tell=True).world.now == play(19).world.now


def test_a_seed_replays_in_another_process() -> None:
    """The order in which Python walks sets of strings differs from process to process; the story may not."""
    code = "from tests.simulation.scenario import play; print(*play(23, tell=True).world.story, sep=chr(10))"
    stories = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert stories[0] == stories[1] != ""
