"""Thousands of seeds against the real cores, and broken cores that must be found out (fault 8)."""

import os
import subprocess
import sys
from functools import partial

import pytest

from tests.simulation.broken import BROKEN, BrokenCore, broken_core
from tests.simulation.outside import BrokenInvariantError
from tests.simulation.scenario import play

SEEDS = 2_000
BLOCK = 250
"""Seeds of one test: about 15 s."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_every_seed_ends_well(first: int) -> None:
    """Laws 1.2 to 6.1: nothing lost, nothing twice, every job in a legal final state."""
    for seed in range(first, first + BLOCK):
        try:
            play(seed)
        except Exception as error:  # noqa: BLE001  # whatever it is, the seed is the answer
            pytest.fail(f"seed={seed}: {type(error).__name__}: {error}; replay it with: make sim SEED={seed}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_core_is_found_out(cls: type[BrokenCore]) -> None:
    """A simulation that can't fail proves nothing. Laws 1.3, 4.3 and 4.6: it must be their breach that is seen, and no
    mistake of the broken core itself.
    """
    make_core = partial(broken_core, cls)
    for seed in range(SEEDS):
        try:
            play(seed, make_core)
        except BrokenInvariantError:
            return
    pytest.fail(f"{cls.__name__} passed {SEEDS} seeds: the simulation doesn't look closely enough")


def test_a_core_that_is_made_like_the_broken_ones_but_not_spoilt_passes() -> None:
    play(0, partial(broken_core, BrokenCore))


def test_a_seed_replays_exactly() -> None:
    """The same seed tells the same story, line by line."""
    stories = [play(17, tell=True).world.story for _ in range(2)]
    assert stories[0] == stories[1]


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
