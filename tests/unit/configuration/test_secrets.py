"""A password in the configuration is used and never shown, be it where values are printed or where they are refused."""

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from millstream.cli import config
from millstream_dataflow.configuration import TABLE, Configuration, ConfigurationError, Option, Text
from millstream_dataflow.configuration.option import HIDDEN
from millstream_dataflow.configuration.origin import Origin
from millstream_dataflow.configuration.parsers import Shape
from millstream_runtime.configuration import read_configuration

SECRETS = [option for option in TABLE if re.search(r"(password|token|secret|authorization)$", option.key)]
SECRET = "hunter2"

EACH = pytest.mark.parametrize("option", SECRETS, ids=lambda option: option.key)


def spelled(option: Option[Any]) -> str:
    """A value that is accepted, with the secret in it."""
    return f"digest:'flink:{SECRET}'" if option.parser.shape is Shape.MAP else SECRET


def test_every_key_that_by_its_name_holds_a_secret_is_declared_as_one() -> None:
    assert len(SECRETS) >= 3
    assert [option.key for option in TABLE if option.secret] == [option.key for option in SECRETS]


@EACH
@pytest.mark.parametrize("form", [(), ("--changed",), ("--json",), ("--json", "--changed")], ids=str)
@pytest.mark.parametrize("plain", [True, False], ids=["for pipes", "for terminals"])
def test_no_form_of_the_configuration_shows_it(
    option: Option[Any], form: tuple[str, ...], *, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "wants_plain_output", lambda: plain)
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(config.command, ["-D", f"{option.key}={spelled(option)}", *form, option.key])
    assert shown.exit_code == 0, shown.output
    assert HIDDEN in shown.output
    assert SECRET not in shown.output


@EACH
def test_one_that_is_not_set_is_seen_to_be_so(option: Option[Any]) -> None:
    assert Configuration().text(option) == option.default_text != HIDDEN


@EACH
def test_those_who_need_it_have_it(option: Option[Any]) -> None:
    """It travels to the processes of a cluster as it was written."""
    read = read_configuration(None, {}, [f"{option.key}={spelled(option)}"])
    assert SECRET in str(read.get(option))
    assert Configuration.from_strings(read.to_strings()).get(option) == read.get(option)


REFUSED = [
    (option, wrong)
    for option in SECRETS
    # Any text on one line is a password.
    for wrong in (
        f"{SECRET}\a",
        *([f"{{{SECRET}", f"'{SECRET}", f"{SECRET};x"] if option.parser.shape is Shape.MAP else []),
    )
]


@pytest.mark.parametrize(("option", "wrong"), REFUSED, ids=lambda value: getattr(value, "key", repr(value)))
def test_what_is_refused_is_not_quoted(option: Option[Any], wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(None, {}, [f"{option.key}={wrong}"])
    accepted = f"the value is not accepted; accepted is {option.accepts}"
    assert str(caught.value) == f"{option.key} = '{HIDDEN}' (-D on the command line): {accepted}"


@EACH
def test_one_of_a_wrong_type_is_not_quoted(option: Option[Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Configuration().with_(option, [SECRET])
    assert SECRET not in str(caught.value)


@EACH
def test_one_that_stands_there_twice_is_not_quoted(option: Option[Any], tmp_path: Path) -> None:
    file = tmp_path / "millstream.yaml"
    file.write_text(f"{option.key}: {SECRET}\n{option.key}: other\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"already stands in line 1") as in_file:
        read_configuration(file)
    texts = [Text(option.key, spelled(option), Origin.command_line())] * 2
    with pytest.raises(ConfigurationError, match="already set") as twice:
        Configuration.read(texts)
    assert SECRET not in f"{in_file.value}{twice.value}"


def test_of_a_key_that_is_not_known_no_value_is_shown(tmp_path: Path) -> None:
    """It may be the misspelt name of a secret."""
    file = tmp_path / "millstream.yaml"
    file.write_text(f"security.ssl.key-pasword: {SECRET}\nsecurity.ssl.key-pasword: {SECRET}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(file)
    assert SECRET not in str(caught.value)
