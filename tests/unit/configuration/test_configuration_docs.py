"""The generated manual and default file are fresh and true."""

import re
from pathlib import Path

import pytest

from millstream_dataflow.configuration import TABLE
from millstream_runtime.configuration import read_configuration
from tools import configuration_docs


def test_both_files_are_fresh() -> None:
    assert configuration_docs.stale_files() == [], "mend: python tools/configuration_docs.py"


def test_the_check_names_the_stale_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "docs" / "configuration.md"
    monkeypatch.setattr(configuration_docs, "ROOT", tmp_path)
    monkeypatch.setattr(configuration_docs, "TARGETS", {file: lambda: "fresh"})
    assert configuration_docs.main(["--check"]) == 1
    assert not file.exists()
    assert configuration_docs.main([]) == 0
    assert file.read_text() == "fresh"
    assert configuration_docs.main(["--check"]) == 0
    assert capsys.readouterr().out == (
        "docs/configuration.md is stale; run: python tools/configuration_docs.py\nwrote docs/configuration.md\n"
    )


def test_the_default_file_holds_every_key_and_the_defaults(tmp_path: Path) -> None:
    text = configuration_docs.default_file()
    file = tmp_path / "millstream.yaml"
    file.write_text(re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE))
    configuration = read_configuration(file)
    assert all(configuration.is_set(option) for option in TABLE)
    assert all(configuration.get(option) == option.default for option in TABLE)
    assert configuration.notices == ()


def test_the_default_file_as_it_is_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "millstream.yaml"
    file.write_text(configuration_docs.default_file())
    assert not read_configuration(file).settings


def test_the_examples_of_the_manual_are_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", configuration_docs.manual(), flags=re.DOTALL)
    file = tmp_path / "millstream.yaml"
    file.write_text(example)
    assert len(read_configuration(file).settings) == 2


def test_every_row_of_the_manual_has_all_its_cells() -> None:
    rows = [line for line in configuration_docs.manual().splitlines() if line.startswith("| `")]
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) in (3, 6), row
