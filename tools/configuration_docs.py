"""Writes docs/configuration.md and deploy/millstream.yaml from the table of options, so neither can grow stale.

Run it after an option has changed; `--check` writes nothing and ends with 1 when one of the two is not what it would
write.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "dataflow")]

from millstream_dataflow.configuration import TABLE, Group, Option  # noqa: E402  # found by the line above
from millstream_dataflow.configuration.without_effect import REFUSED, WITHOUT_EFFECT, Family  # noqa: E402  # as above

WIDTH = 100
"""Columns of a comment in the YAML file."""

MANUAL_HEAD = """\
# Configuration

Written by `tools/configuration_docs.py` from the table of options; change the table, not this page.

Keys and defaults are those of Flink 2; where a default or a meaning is another one, the reason stands beside it. Names
of Flink 1.x are read as well, with a notice. `millstream config` prints every key with the value that is in force
and the place it comes from.

## Where values come from

The later source is the stronger one:

1. the default;
2. one YAML file: the one that `--config FILE` names, else `millstream.yaml` in the directory that the environment
   variable `MILLSTREAM_CONF_DIR` names, else none;
3. environment variables: `a.b-c` is `MILLSTREAM_A_B_C`, in upper case with `_` for each `.` and `-`;
4. `-D key=value` on the command line (of several for one key, the last);
5. the program.

Keys of the scope *job* travel with the job; the value in a cluster's own file counts for jobs that say nothing. Keys of
the scope *cluster* are read when a process of the cluster starts, those of the scope *client* by the program that
submits.

Keys in the file are flat or nested; both lines of this example set a key below `jobmanager`:

```yaml
jobmanager.rpc.address: localhost
jobmanager:
  rpc:
    port: 6123
```

An unknown key or variable is refused, and the nearest known one named. So is a value that is not accepted, a key that
stands in the file twice, and one that is set under an old and a new name. All mistakes are told at once.
[`deploy/millstream.yaml`](../deploy/millstream.yaml) holds every key as a comment.

## How values are written

| type | forms |
|---|---|
| duration | `500 ms`, `10s`, `1 min`, `2 h`, `1 d`, `us`, `ns`, ISO 8601 (`PT10S`); a bare number is milliseconds |
| memory size | `64 kb`, `16mb`, `1g`; a bare number is bytes; a kb is 1,024 bytes |
| list | a YAML list, or elements separated by `;` or `,`, quoted with `'` where they hold one |
| map | a YAML map, or `key:value` pairs, separated and quoted like lists |
| boolean | `true` or `false` |
| one of several words | in upper or lower case, `-` and `_` alike |

Where a key can have no value, the default column says how that is spelled (`none`, `infinite`, `default`); the same
word unsets it.
"""

YAML_HEAD = """\
# The configuration of Millstream: every key, with its default. Remove the # before a key to change it.
#
# Written by tools/configuration_docs.py from the table of options; docs/configuration.md explains it. Use it with
# --config FILE, or name the directory it lies in with the environment variable MILLSTREAM_CONF_DIR.
"""


def manual() -> str:
    """The text of docs/configuration.md."""
    parts = [MANUAL_HEAD, "## Keys\n"]
    parts += [_manual_group(group) for group in TABLE.groups]
    parts.append("## Keys of Flink without effect\n\nAccepted, and named once when a process starts.\n")
    parts.append(_family_table(WITHOUT_EFFECT))
    parts.append("## Keys of Flink that are refused\n\nMillstream would not do what they ask for.\n")
    parts.append(_family_table(REFUSED))
    return "\n".join(parts)


def _manual_group(group: Group) -> str:
    head = ["| key | default | type | scope | meaning |", "|---|---|---|---|---|"]
    rows = [_row(option) for option in group.options]
    return "\n".join([f"### {group.title}", "", group.about, "", *head, *rows, ""])


def _row(option: Option[Any]) -> str:
    cells = [f"`{option.key}`", f"`{option.default_text}`", _type(option), option.scope.value, _explanation(option)]
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _type(option: Option[Any]) -> str:
    """The type in a word (the page explains them), or the words to choose from, with the limits."""
    kind = option.parser.accepts if option.parser.kind == "enum" else option.parser.kind
    if option.check is None:
        return kind
    return option.check.words if option.check.alone else f"{kind}, {option.check.words}"


def _explanation(option: Option[Any]) -> str:
    sentences = [option.meaning]
    if option.flink is not None:
        sentences.append(f"*{option.flink}.*")
    if option.deprecated_keys:
        sentences.append("Old names: " + ", ".join(f"`{key}`" for key in option.deprecated_keys) + ".")
    if option.secret:
        sentences.append("Its value is never shown.")
    if option.own:
        sentences.append("Millstream's own.")
    return " ".join(sentences)


def _cell(text: str) -> str:
    """Text that cannot end a table's cell, or be taken for markup."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _family_table(families: tuple[Family, ...]) -> str:
    """One row a reason, since most families share theirs with others."""
    by_reason: dict[str, list[str]] = {}
    for family in families:
        by_reason.setdefault(family.reason, []).append(f"`{family}`")
    rows = [f"| {', '.join(names)} | {_cell(reason)} |" for reason, names in by_reason.items()]
    return "\n".join(["| keys | reason |", "|---|---|", *rows, ""])


def default_file() -> str:
    """The text of deploy/millstream.yaml."""
    return YAML_HEAD + "".join(line + "\n" for group in TABLE.groups for line in _yaml_group(group))


def _yaml_group(group: Group) -> Iterator[str]:
    yield ""
    yield f"# {'-' * 20} {group.title}"
    for option in group.options:
        yield ""
        yield from (f"# {line}" for line in textwrap.wrap(option.meaning, WIDTH))
        if option.flink is not None:
            yield from (f"# {line}" for line in textwrap.wrap(f"{option.flink}.", WIDTH))
        yield from (f"# {line}" for line in textwrap.wrap(f"Type: {_type(option)}.", WIDTH))
        yield f"#{option.key}: {option.default_text}"


TARGETS = {ROOT / "docs" / "configuration.md": manual, ROOT / "deploy" / "millstream.yaml": default_file}


def stale_files() -> list[Path]:
    """The files that are not what this program would write."""
    return [file for file, text in TARGETS.items() if not file.exists() or file.read_text(encoding="utf-8") != text()]


def main(arguments: list[str]) -> int:
    """Write or check both files; the exit code is 1 when a check finds one stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when a file is stale")
    only_check: bool = parser.parse_args(arguments).check
    stale = stale_files()
    for file in stale:
        name = file.relative_to(ROOT)
        if only_check:
            print(f"{name} is stale; run: python tools/configuration_docs.py")
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(TARGETS[file](), encoding="utf-8")
            print(f"wrote {name}")
    return 1 if stale and only_check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
