"""What docs/expressions.md shows is what happens."""

import re
from pathlib import Path
from typing import Any

import pytest

import millstream
from millstream.errors import ArgumentError
from millstream_dataflow.expressions import Expression
from millstream_dataflow.expressions.functions import FUNCTIONS

PAGE = (Path(__file__).parents[3] / "docs" / "expressions.md").read_text(encoding="utf-8")
PROGRAM, REFUSED = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OUTPUT, REFUSAL = re.findall(r"\n(?:prints|raises)\n\n```\n(.*?)```", PAGE, re.DOTALL)


def test_its_program_prints_what_it_says(capfd: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(compile(PROGRAM, "page", "exec"), names)  # our own text
    assert sorted(capfd.readouterr().out.splitlines()) == sorted(OUTPUT.splitlines())
    with pytest.raises(ArgumentError, match=re.escape(REFUSAL.strip())):
        exec(compile(REFUSED, "page", "exec"), names)  # as above


def test_it_names_all_that_can_be_written() -> None:
    methods = {name for name, member in vars(Expression).items() if callable(member) and not name.startswith("_")}
    for name in (methods - {"same_as"}) | {function.sign for function in FUNCTIONS.values()} - {"|"}:
        assert name in PAGE, name
    for name in ("Count", "Sum", "Min", "Max", "Mean", "Key", "WindowStart", "WindowEnd", "col", "lit", "if_else"):
        assert name in PAGE
        assert name in millstream.__all__
