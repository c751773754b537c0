"""The collector rests while the command imports, and works when somebody else's code begins."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream.cli import collector


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    frozen = gc.get_freeze_count() > 0  # by the run of tests itself
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()
    if frozen:
        gc.freeze()


def test_what_was_imported_is_never_looked_at_again() -> None:
    collector.rest()
    assert not gc.isenabled()
    collector.settle()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_a_process_that_only_uses_the_command_is_left_as_it_was() -> None:
    collector.settle()
    assert gc.get_freeze_count() == 0


def test_a_program_that_is_run_has_its_garbage_collected(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text("import gc, sys; sys.stdout.write(str(gc.isenabled())); sys.exit(7)")
    command = [str(Path(sys.executable).with_name("millstream")), "run", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "True")
