"""What `millstream security init` writes, once for all tests of manifests."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from millstream.security.working_set import write


@pytest.fixture(scope="session")
def working_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("security") / "tls"
    write(directory, ("jobmanager.millstream.svc",), datetime.now(UTC), 1)
    return directory
