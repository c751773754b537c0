"""Laws 1 to 5 as the core of the JobManager keeps them, as stories. The lines are told by `tests.support.stories`.

A story that begins with `# settings: NAME` runs with those settings. Times are milliseconds of virtual time.
"""

import re
from enum import Enum
from pathlib import Path

import pytest

from millstream_jobmanager.core.region_states import REGION_STATES, RegionState
from millstream_jobmanager.core.settings import JobSettings, RestartKind, RestartSettings
from millstream_runtime.states import JOB_STATES, JobState, TransitionTable
from tests.stories.runner import check, retold, stories
from tests.support.core_shell import CoreShell, settings_of
from tests.support.stories import CoreTeller

FIXED = RestartSettings(RestartKind.FIXED_DELAY, attempts=1, delay=100)

SETTINGS: dict[str, JobSettings] = {
    "defaults": settings_of(),
    "periodic": settings_of(checkpoints={"interval": 1_000}),
    "periodic, no restart": settings_of(checkpoints={"interval": 1_000}, restart=RestartSettings(RestartKind.NONE)),
    "periodic, tolerant": settings_of(checkpoints={"interval": 1_000, "timeout": 500, "tolerable_failures": 1}),
    "periodic, one restart": settings_of(checkpoints={"interval": 1_000}, restart=FIXED),
    "three at a time, one kept": settings_of(checkpoints={"interval": 500, "max_concurrent": 3, "num_retained": 1}),
    "three at a time, two kept": settings_of(checkpoints={"interval": 500, "max_concurrent": 3}),
    "two expire at once": settings_of(checkpoints={"interval": 1_000, "timeout": 500}),
    "slow restart": settings_of(
        restart=RestartSettings(RestartKind.FIXED_DELAY, delay=2_000), slot_request_timeout=1_000
    ),
    "impatient with storage": settings_of(
        checkpoints={"timeout": 3_500, "tolerable_failures": 1}, restart=RestartSettings(RestartKind.NONE)
    ),
    "impatient": settings_of(slot_request_timeout=5_000),
    "unbalanced goes on": settings_of(checkpoints={"interval": 1_000}, fail_on_imbalance=False),
}


def teller(text: str) -> CoreTeller:
    """Who tells a story, with the settings that it wants."""
    wanted = [line.removeprefix("# settings: ") for line in text.splitlines() if line.startswith("# settings: ")]
    return CoreTeller(CoreShell(SETTINGS[wanted[0] if wanted else "defaults"]))


@pytest.mark.parametrize("path", stories("core"), ids=lambda path: path.stem)
def test_laws_1_to_5(path: Path, rewrite: bool) -> None:
    """Each story names its law in its first lines."""
    text = path.read_text(encoding="utf-8")
    assert re.match(r"(# .*\n)*# .*\b(laws?|ARCHITECTURE) \d", text), f"{path.name} names no law in its first lines"
    check(path, teller(text), rewrite=rewrite)


def test_the_tables_list_no_step_that_no_story_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that can't happen would be a fault; as long as it is listed, nobody is told."""
    taken: set[tuple[Enum, Enum]] = set()
    real = TransitionTable[Enum].check

    def checked(table: TransitionTable[Enum], subject: str, source: Enum, target: Enum, reason: str) -> None:
        real(table, subject, source, target, reason)
        taken.add((source, target))

    monkeypatch.setattr(TransitionTable, "check", checked)
    for path in stories("core"):
        text = path.read_text(encoding="utf-8")
        retold(text, teller(text))
    jobs = {(source, target) for source in JobState for target in JOB_STATES.targets(source)}
    regions = {(source, target) for source in RegionState for target in REGION_STATES.targets(source)}
    assert jobs | regions <= taken
