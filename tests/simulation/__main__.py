"""Replays one seed and prints its story, or looks for a bad seed among many."""

import argparse
import sys
import time
import traceback

from tests.simulation.scenario import Scenario


def main() -> int:
    """The exit code is 1 when a seed went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one and print its story")
    parser.add_argument("--count", type=int, default=5_000, help="how many seeds to try (default 5000)")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return _replay(arguments.seed)
    begun = time.monotonic()
    bad = [seed for seed in range(arguments.count) if not _try(seed)]
    print(f"{arguments.count} seeds in {time.monotonic() - begun:.1f} s, {len(bad)} went wrong")
    return 1 if bad else 0


def _try(seed: int) -> bool:
    try:
        Scenario(seed).play()
    except Exception as error:  # noqa: BLE001  # whatever it is, the seed is the answer
        print(f"seed={seed}: {type(error).__name__}: {error}")
        return False
    return True


def _replay(seed: int) -> int:
    scenario = Scenario(seed, tell=True)
    try:
        scenario.play()
    except Exception:  # noqa: BLE001  # the story comes first, then the error
        print("\n".join(scenario.world.story))
        traceback.print_exc()
        print(f"seed={seed}")
        return 1
    print("\n".join(scenario.world.story))
    print(f"seed={seed}: all is well after {scenario.world.now} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
