"""`make chaos MINUTES=... [SEED=...]`: faults by a seed, and what came of them; ends with 1 when all is not well."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

from tests.chaos.play import play


def say(line: str) -> None:
    """At once: people read along."""
    print(line, flush=True)


def main(arguments: list[str]) -> int:
    """The directory of a run that went wrong is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    minutes = "rounds of all faults, of which each takes about one (default 5)"
    parser.add_argument("--minutes", type=float, default=5.0, help=minutes)
    parser.add_argument("--seed", type=int, default=None, help="replay the schedule of this one (default: any)")
    given = parser.parse_args(arguments)
    seed: int = SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    directory = Path(tempfile.mkdtemp(prefix="millstream-chaos-"))
    good = False
    try:
        good = play(directory, seed, given.minutes, say).is_good
    finally:
        if good:
            shutil.rmtree(directory)
        else:
            say(f"\nseed {seed}: see {directory}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
