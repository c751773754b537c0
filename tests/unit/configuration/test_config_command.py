"""`millstream config`, as a person and as a program see it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from millstream.cli import config
from millstream.cli.exit_codes import ExitCode
from millstream.cli.options import wants_plain_output
from millstream_dataflow.configuration import TABLE, Configuration


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MILLSTREAM_"):
            monkeypatch.delenv(name)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(config.command, arguments, env=environment)


def run_json(*arguments: str) -> list[dict[str, Any]]:
    result = run("--json", *arguments)
    assert result.exit_code == ExitCode.FINISHED, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def test_json_holds_every_key_with_all_that_is_known() -> None:
    rows = run_json()
    assert [row["key"] for row in rows] == [option.key for option in TABLE]
    (row,) = run_json("execution.checkpointing.num-retained")
    assert row == {
        "key": "execution.checkpointing.num-retained",
        "value": "2",
        "default": "2",
        "flink_default": "1",
        "difference": "when a file of the newest is damaged there is one to go back to",
        "meaning": "How many completed checkpoints are kept.",
        "source": "default",
        "type": "integer",
        "unit": "checkpoints",
        "accepts": "a whole number; from 1 to 1000",
        "scope": "job",
        "secret": False,
        "variable": "MILLSTREAM_EXECUTION_CHECKPOINTING_NUM_RETAINED",
        "deprecated_keys": ["state.checkpoints.num-retained"],
    }


def test_flinks_default_is_ours_where_nothing_else_is_said() -> None:
    assert run_json("parallelism.default")[0]["flink_default"] == "1"
    assert run_json("security.insecure")[0]["flink_default"] is None


def test_keys_old_names_and_beginnings_select() -> None:
    rows = run_json("client", "state.checkpoints.dir", "restart-strategy.fixed-delay.*")
    assert [row["key"] for row in rows] == [
        "execution.checkpointing.dir",
        "restart-strategy.fixed-delay.attempts",
        "restart-strategy.fixed-delay.delay",
        "client.timeout",
    ]


def test_changed_shows_values_with_their_sources(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("pipeline.name: demo\nclient.timeout: 1 min\n")
    result = run("--changed", "--config", str(file), "-D", "parallelism.default=4", MILLSTREAM_SECURITY_INSECURE="true")
    assert result.exit_code == ExitCode.FINISHED
    assert [line for line in result.stdout.splitlines() if not line.startswith(" ")] == [
        "parallelism.default = 4",
        "pipeline.name = demo",
        "security.insecure = true",
    ]
    assert f"default none, source {file}:1" in result.stdout
    assert "default 1, source -D on the command line" in result.stdout
    assert "default false, source environment variable MILLSTREAM_SECURITY_INSECURE" in result.stdout


def test_nothing_changed() -> None:
    assert run("--changed").stdout == "Every value is the default.\n"


def test_where_flink_differs_the_reason_is_shown() -> None:
    assert run("execution.checkpointing.num-retained").stdout == (
        "execution.checkpointing.num-retained = 2\n"
        "    How many completed checkpoints are kept.\n"
        "    Flink: 1; when a file of the newest is damaged there is one to go back to\n"
        "    default 2, source default\n"
    )


def test_notices_go_to_stderr() -> None:
    result = run("--json", "-D", "python.executable=python3", "client")
    assert result.stderr == (
        "Notice: python.executable (-D on the command line) has no effect: functions run in the task's own process\n"
    )
    assert json.loads(result.stdout)


def test_an_unknown_key_is_a_wrong_use() -> None:
    result = run("paralelism.default")
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == "Error: there is no key paralelism.default; did you mean parallelism.default?\n"


def test_one_mistake_is_told_in_one_line() -> None:
    result = run("-D", "parallelism.default=x")
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == (
        "Error: parallelism.default = 'x' (-D on the command line): the value is not accepted; "
        "accepted is a whole number; from 1 to 32768\n"
    )


def test_several_mistakes_are_a_list() -> None:
    result = run("-D", "a.b=1", "-D", "parallelism.default=x")
    assert result.exit_code == ExitCode.USAGE
    assert len(result.stderr.splitlines()) == 3
    assert result.stderr.startswith("Error: the configuration has mistakes:\n  a.b ")


def test_help_has_an_example() -> None:
    assert "millstream config --changed" in run("--help").stdout


def test_people_get_a_table_a_topic(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    config.print_tables(config.select(["client", "security"]), Configuration())
    printed = capsys.readouterr().out
    assert "Client" in printed
    assert "Security" in printed
    assert "Logs" not in printed
    assert "client.timeout" in printed


def test_tables_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "wants_plain_output", lambda: False)
    output = run("security.insecure").stdout
    assert output.startswith("Security")
    assert "security.insecure = " not in output


@pytest.mark.parametrize(("terminal", "no_color", "plain"), [(True, "", False), (True, "1", True), (False, "", True)])
def test_plain_output(monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: str, plain: bool) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert wants_plain_output() is plain
