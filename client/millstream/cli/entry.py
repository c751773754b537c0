"""Where the `millstream` command begins, before anything that takes time is imported."""

from millstream.cli.interrupts import leave_at_once


def main() -> None:
    """Of the process; ends it with its exit code."""
    leave_at_once()
    from millstream.cli.main import main as command  # noqa: PLC0415  # 100 ms in which Ctrl-C may come

    command()
