"""A pytest plugin that ends a run with the seconds of each folder of tests, so that one sees which layer grows."""

from collections import Counter
from pathlib import PurePosixPath

import pytest

_SECONDS = pytest.StashKey[Counter[str]]()


class FolderClock:
    """Adds up setup, call and teardown of every test, by folder; under xdist the reports of all workers come here."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one phase of one test."""
        folder = PurePosixPath(report.nodeid.split("::")[0]).parent
        self.seconds[str(folder)] += report.duration  # type: ignore[assignment]  # Counter is typed for int only

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, slowest folder first."""
        if self.seconds:
            terminalreporter.section("seconds per folder")
        for folder, seconds in self.seconds.most_common():
            terminalreporter.write_line(f"{seconds:8.2f} s  {folder}")


def pytest_configure(config: pytest.Config) -> None:
    """Start counting."""
    config.pluginmanager.register(FolderClock(), "folder-clock")
