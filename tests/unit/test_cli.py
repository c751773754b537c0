"""The command line's frame: verbs on demand, exit codes, interruption."""

import importlib
import sys
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from millstream.cli import main as cli
from millstream.cli.exit_codes import ExitCode
from millstream.version import __version__


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verb that does nothing until it is interrupted at once."""

    @click.command
    def command() -> None:
        raise KeyboardInterrupt

    module = ModuleType("millstream.cli.take_a_pause")
    monkeypatch.setattr(module, "command", command, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(cli.VERBS, "take-a-pause", "Wait for an interrupt.")


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.main, arguments)
    return result.exit_code, result.output


def test_version() -> None:
    assert invoke("--version") == (ExitCode.FINISHED, f"millstream, version {__version__}\n")


def test_an_unknown_verb_is_a_wrong_use() -> None:
    code, output = invoke("fly")
    assert code == ExitCode.USAGE
    assert "No such command 'fly'" in output


def test_help_lists_verbs_without_importing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.VERBS, "not-written", "A verb whose module doesn't exist.")
    code, output = invoke("--help")
    assert code == ExitCode.FINISHED
    assert "not-written  A verb whose module doesn't exist." in output


@pytest.mark.usefixtures("pause")
def test_an_interrupt_ends_with_130() -> None:
    assert invoke("take-a-pause") == (ExitCode.INTERRUPTED, "Interrupted.\n")


def test_every_verb_of_the_table_has_its_command() -> None:
    modules = [importlib.import_module(f"millstream.cli.{verb.replace('-', '_')}") for verb in cli.VERBS]
    assert all(isinstance(module.command, click.Command) for module in modules)
