"""The program of docs/batch.md prints what the page says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from millstream.execution.context import ProgramContext, program_context
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client

PAGE = (Path(__file__).parents[2] / "docs" / "batch.md").read_text(encoding="utf-8")


def printed(program: str) -> list[str]:
    context = ProgramContext(Configuration().with_(client.TARGET, ExecutionTarget.INLINE))
    output = io.StringIO()
    with program_context(context), contextlib.redirect_stdout(output):
        exec(compile(program, "docs/batch.md", "exec"), {"__name__": "__main__"})  # what the page shows
    return output.getvalue().splitlines()


@pytest.mark.parametrize("mode", ["BATCH", "STREAMING"])
def test_the_program_prints_what_the_page_says(mode: str) -> None:
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    lines = printed(program.replace("RuntimeExecutionMode.BATCH", f"RuntimeExecutionMode.{mode}"))
    said = re.findall(r"`(\('\w+', \d\))`", PAGE)
    assert len(said) == 4
    assert sorted(lines) == said if mode == "BATCH" else len(lines) == 6
