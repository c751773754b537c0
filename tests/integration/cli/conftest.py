"""Programs that leave nothing behind."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.integration.cli.programs import Programs


@pytest.fixture
def programs(tmp_path: Path) -> Generator[Programs]:
    programs = Programs(tmp_path)
    yield programs
    programs.close()
