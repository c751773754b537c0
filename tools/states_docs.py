"""Writes docs/states.md from the tables of states, so the page can't say what the code doesn't do.

Run it after a table has changed; `--check` writes nothing and ends with 1 when the page is not what it would write.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("dataflow", "runtime", "jobmanager")]

from millstream_jobmanager.core.region_states import REGION_STATES  # noqa: E402  # found by the line above
from millstream_runtime.states import JOB_STATES, TASK_STATES, TransitionTable  # noqa: E402  # as above

PAGE = ROOT / "docs" / "states.md"

HEAD = """\
# States

Written by `tools/states_docs.py` from the tables in the code; change a table, not this page. A step that isn't listed
is an error, never ignored. Jobs and tasks have Flink's states and their meaning.

RECONCILING is where a new leader begins with what it finds: jobs and regions start in it, and tasks go on from it to
whatever their TaskManager reports.
"""

SECTIONS: tuple[tuple[str, str, TransitionTable[Any]], ...] = (
    ("Jobs", "`millstream_runtime.states.job`", JOB_STATES),
    ("Regions", "`millstream_jobmanager.core.region_states`: what starts and fails together", REGION_STATES),
    ("Tasks", "`millstream_runtime.states.task`: one subtask in one attempt", TASK_STATES),
)


def page() -> str:
    """The text of docs/states.md."""
    parts = [HEAD]
    for title, place, table in SECTIONS:
        parts.append(f"## {title}\n\n{place}. Begins as {table.initial.name}.\n\n```text\n{table.diagram()}\n```\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit code is 1 when a check finds it stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when the page is stale")
    only_check: bool = parser.parse_args(arguments).check
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    if only_check:
        print(f"{PAGE.relative_to(ROOT)} is stale; run: python tools/states_docs.py")
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
