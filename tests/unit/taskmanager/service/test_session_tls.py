"""A TaskManager and a JobManager that don't agree about TLS: the TaskManager says so once, with what helps."""

from dataclasses import replace
from pathlib import Path

import pytest

from millstream_runtime.security import internal_tls
from millstream_taskmanager.service.settings import LinkSettings
from tests.support.certificates import WorkingSet
from tests.unit.runtime.door.conftest import opened
from tests.unit.taskmanager.service.scripted import eventually
from tests.unit.taskmanager.service.test_session import SETTINGS, Linked


def knowing(members: WorkingSet) -> LinkSettings:
    """Of a TaskManager of that cluster."""
    return replace(SETTINGS, tls=internal_tls(members.configuration()))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("in the clear", "does it want TLS? set security.ssl.internal.enabled"),
        ("of another cluster", "its certificate is of no authority in security.ssl.internal.truststore"),
        ("by TLS, where none is", "does it speak any? security.ssl.internal.enabled is set here"),
    ],
)
async def test_it_says_what_the_two_disagree_about(
    working_set: WorkingSet,
    strangers: WorkingSet,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    *,
    case: str,
    words: str,
) -> None:
    settings = {"in the clear": SETTINGS, "of another cluster": knowing(strangers)}.get(case, knowing(working_set))
    tls = not case.startswith("by TLS")
    async with opened(working_set, tmp_path, internal=tls, rest=tls) as house:
        link = Linked(f"127.0.0.1:{house.port}", settings)
        try:
            await eventually(lambda: link.link._number >= 2)
        finally:
            await link.stop()
    [line] = [line for line in caplog.messages if "can't be reached" in line]
    assert words in line
