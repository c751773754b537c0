"""``millstream config``: every key with its value, and where that value comes from.

It reads exactly what the other verbs read, with the same options, so it answers "which value will it use, and why"
before anything is started.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from millstream.cli.exit_codes import ExitCode
from millstream.cli.options import wants_plain_output, with_configuration
from millstream_dataflow.configuration import TABLE, Configuration, Group, Option

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLES = """
\b
Examples:
  millstream config
  millstream config execution.checkpointing restart-strategy.type
  millstream config --changed --config millstream.yaml -D parallelism.default=4
"""


class UnknownKeyError(click.ClickException):
    """A key was asked for that is neither an option nor the beginning of one."""

    exit_code = ExitCode.USAGE

    def __init__(self, key: str) -> None:
        nearest = TABLE.nearest(key)
        mend = f"did you mean {nearest}?" if nearest else "'millstream config' lists all keys."
        super().__init__(f"there is no key {key}; {mend}")


@click.command("config", epilog=EXAMPLES)
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--changed", is_flag=True, help="Only keys whose value is not the default.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array for programs.")
@with_configuration
def command(configuration: Configuration, keys: tuple[str, ...], *, changed: bool, as_json: bool) -> None:
    """Show configuration keys with value, default, meaning and source.

    KEY is a key, an old name of one, or the beginning of several (restart-strategy).
    """
    options = [option for option in select(keys) if not changed or is_changed(option, configuration)]
    if as_json:
        click.echo(json.dumps([describe(option, configuration) for option in options], indent=2))
    elif not options:
        click.echo("Every value is the default.")
    elif wants_plain_output():
        for line in plain_lines(options, configuration):
            click.echo(line)
    else:
        print_tables(options, configuration)


def select(keys: Iterable[str]) -> list[Option[Any]]:
    """The options that ``keys`` name, in the order of the table; all of them when there are no keys."""
    wanted = [key.removesuffix("*").removesuffix(".") for key in keys]
    for key in wanted:
        if not any(_is_named(option, key) for option in TABLE):
            raise UnknownKeyError(key)
    return [option for option in TABLE if not wanted or any(_is_named(option, key) for key in wanted)]


def _is_named(option: Option[Any], key: str) -> bool:
    return key in {option.key, *option.deprecated_keys} or option.key.startswith(f"{key}.")


def is_changed(option: Option[Any], configuration: Configuration) -> bool:
    """Whether the value is another than the default."""
    return bool(configuration.get(option) != option.default)


def describe(option: Option[Any], configuration: Configuration) -> dict[str, object]:
    """All that is known of a key, for programs; values are texts as one would write them in a file, secrets hidden."""
    return {
        "key": option.key,
        "value": configuration.text(option),
        "default": option.default_text,
        "flink_default": _flink_default(option),
        "difference": str(option.flink.reason) if option.flink else None,
        "meaning": option.meaning,
        "source": str(configuration.origin(option)),
        "type": option.parser.kind,
        "unit": option.unit or None,
        "accepts": option.accepts,
        "scope": option.scope.value,
        "secret": option.secret,
        "variable": option.environment_name,
        "deprecated_keys": list(option.deprecated_keys),
    }


def _flink_default(option: Option[Any]) -> str | None:
    """Flink's default, which is ours unless the table says otherwise; None for keys that Flink does not have."""
    if option.own:
        return None
    return option.flink.default or option.default_text if option.flink else option.default_text


def plain_lines(options: Iterable[Option[Any]], configuration: Configuration) -> Iterator[str]:
    """A block of lines a key, without colours, that grep and less can live with."""
    for option in options:
        yield f"{option.key} = {configuration.text(option)}"
        yield f"    {option.meaning}"
        if option.flink is not None:
            yield f"    {option.flink}"
        yield f"    default {option.default_text}, source {configuration.origin(option)}"


def print_tables(options: Iterable[Option[Any]], configuration: Configuration) -> None:
    """A table a topic, for people at a terminal."""
    from rich.console import Console  # noqa: PLC0415  # 40 ms that --json and the other verbs need not wait

    console = Console()
    chosen = set(map(id, options))
    for group in TABLE.groups:
        shown = [option for option in group.options if id(option) in chosen]
        if shown:
            console.print(_table(group, shown, configuration))


def _table(group: Group, options: Iterable[Option[Any]], configuration: Configuration) -> Table:
    from rich.table import Table  # noqa: PLC0415  # as in print_tables
    from rich.text import Text  # noqa: PLC0415  # as in print_tables

    table = Table(title=group.title, title_justify="left", title_style="bold", expand=True)
    table.add_column("Key", ratio=5, overflow="fold")
    table.add_column("Value", ratio=2, overflow="fold")
    table.add_column("Default", ratio=2, overflow="fold")
    table.add_column("Source", ratio=2, overflow="fold")
    table.add_column("Meaning", ratio=7, overflow="fold")
    for option in options:
        style = "bold green" if is_changed(option, configuration) else ""
        meaning = Text(option.meaning)
        if option.flink is not None:
            meaning.append(f"\n{option.flink}", style="dim")
        table.add_row(
            Text(option.key),
            Text(configuration.text(option), style=style),
            Text(option.default_text),
            Text(str(configuration.origin(option))),
            meaning,
        )
    return table
