"""Writes docs/pyflink.md: what becomes of each public name of PyFlink's DataStream API here.

The names come from tests/data/pyflink_names.txt, what is there from the facade itself, the words about the rest from
millstream.pyflink.absent and millstream.pyflink.differences. Run it after one of them has changed; `--check` writes
nothing and ends with 1 when the page is not what it would write.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), *(str(ROOT / folder) for folder in ("dataflow", "runtime", "taskmanager", "client"))]

from millstream.pyflink.absent import REASONS  # noqa: E402  # found by the line above
from millstream.pyflink.presented import NAMES  # noqa: E402  # as above
from tools.pyflink_verdicts import Judged, Verdict, judged, listed_names  # noqa: E402  # as above

PAGE = ROOT / "docs" / "pyflink.md"

HEAD = """\
# Programs that were written for PyFlink

Written by `tools/pyflink_docs.py` from the code; change the tables there, not this page.

A program for PyFlink's DataStream API runs here as it is: `pyflink.common`, `pyflink.datastream` and `pyflink.metrics`
are presented over Millstream's own classes, which have PyFlink's names. This page says of each public name of PyFlink
2.3 whether it is there. Neither PyFlink nor Java needs to be installed.

## How to run one

    millstream run --pyflink job.py

runs `job.py` unchanged on the cluster that the configuration names; with `--inline` in this very process, for a
debugger. `millstream info --pyflink job.py` draws its plan. Inside a program, a test or a notebook, two lines ahead of
the first import of `pyflink` do the same, and `python job.py` runs on a cluster of its own, which ends with the
program:

```python
import millstream.pyflink

millstream.pyflink.install()

from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment

env = StreamExecutionEnvironment.get_execution_environment()
env.set_parallelism(1)
words = env.from_collection(["to", "be", "or", "not", "to", "be"], Types.STRING())
pairs = words.map(lambda word: (word, 1), output_type=Types.TUPLE([Types.STRING(), Types.INT()]))
pairs.key_by(lambda pair: pair[0]).sum(1).print()
env.execute("words")
```

prints

```
('to', 1)
('be', 1)
('or', 1)
('not', 1)
('to', 2)
('be', 2)
```

What isn't there fails where it is imported, before anything runs, with what is missing, why, and what to use instead:

    pyflink.datastream.connectors.kafka.KafkaSource isn't there in this version of Millstream; this version has no
    connector for that; write a Source or a Sink (from_source, sink_to)

Names that PyFlink's own modules import, and so show, are found there as well (`from pyflink.datastream.window import
Time`). A member that isn't there is an AttributeError where it is asked for; streams, the environment and its
configurations say what to use instead. `millstream.pyflink.uninstall()` takes all names away again.

## What differs in general

* **There is no Java.** No jars, no gateway, no connector or format that is written in Java; sources and sinks are
  Python classes. What only a JVM needs is accepted with one warning, or refused with what to do instead.
* **Declared types are held.** A value that doesn't fit the type that was declared fails the job, and the error shows
  it. As in PyFlink an int becomes the float that was declared, a number of numpy's one of Python's, and a Row takes the
  names of its type; nothing else is converted or rounded. Where no type is declared records travel pickled, as in
  PyFlink.
* **Functions may be plain.** Whatever takes a function class takes a callable, a generator or an `async def` as well,
  and spans of time may be a `Duration`, a `Time`, a `timedelta`, or a number of milliseconds.
* **Records belong to whom they were given.** What can be changed is copied from function to function, unless
  `enable_object_reuse()` says that no function changes one.
* **Barriers overtake.** Checkpoints are exactly once; barriers wait for records before them for 1 s at the most, and
  overtake them then.
* **Keys of the configuration are Flink's**, and their defaults but for those of which
  [configuration.md](configuration.md) says "Unlike Flink". A key that means nothing here is told once, one that nobody
  knows is an error.
* **Savepoints are Millstream's own.** Those of Flink can't be read.

"""

SUMMARY = """\
## What is there, module by module

"there": it exists and can be called with PyFlink's parameters, by name or by order. "differs": it is there, with the
difference that the table names. "not there": why, and what to use instead. A name that begins with a dot is a member of
the class before it.

| module | there | differs | not there |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The text of docs/pyflink.md."""
    modules = [
        (module, list(lines)) for module, lines in groupby(map(judged, listed_names()), lambda it: it.listed.module)
    ]
    rest = [module for module in REASONS if module.startswith("pyflink.") and module not in NAMES]
    others = "\n".join(f"| `{module}` | not there | {REASONS[module]} |" for module in rest)
    return "".join(
        [
            HEAD,
            SUMMARY,
            *(_counts(module, lines) for module, lines in modules),
            f"\nOther modules of PyFlink:\n\n| module | | |\n| --- | --- | --- |\n{others}\n",
            *(_section(module, lines) for module, lines in modules),
        ]
    )


def _counts(module: str, lines: list[Judged]) -> str:
    counts = Counter(line.verdict for line in lines)
    return f"| [`{module}`](#{_anchor(module)}) | {' | '.join(str(counts[it] or '') for it in Verdict)} |\n"


def _anchor(module: str) -> str:
    """As GitHub makes it of a title."""
    return module.replace(".", "")


def _section(module: str, lines: list[Judged]) -> str:
    rows = "".join(f"| {_names(names)} | {verdict.value} | {words} |\n" for names, verdict, words in _rows(lines))
    return f"\n## `{module}`\n\n| name | | |\n| --- | --- | --- |\n{rows}"


_Row = tuple[list[str], Verdict, str]


def _rows(lines: list[Judged]) -> Iterator[_Row]:
    """What is there class by class, each with its differences and gaps; classes that aren't by why they aren't."""
    missing: dict[str, list[str]] = {}
    alone: list[str] = []
    for first, group in groupby(lines, lambda it: it.listed.first):
        of_class = list(group)
        if of_class[0].verdict is Verdict.NOT_THERE:
            names = missing.setdefault(of_class[0].words, [])
            names.extend(line.listed.name for line in of_class)
        elif len(of_class) == 1 and of_class[0].verdict is Verdict.THERE:
            alone.append(first)
        else:
            yield from _rows_of_class(of_class)
    if alone:
        yield alone, Verdict.THERE, ""
    for words, names in missing.items():
        yield names, Verdict.NOT_THERE, words


def _rows_of_class(lines: list[Judged]) -> Iterator[_Row]:
    rows: dict[tuple[Verdict, str], list[str]] = {}
    for line in lines:
        rows.setdefault((line.verdict, line.words), []).append(line.listed.name)
    for (verdict, words), names in rows.items():
        yield names, verdict, words


def _names(names: Iterable[str]) -> str:
    """Members without their class, behind it or behind the first of them."""
    shown: list[str] = []
    before = ""
    for name in dict.fromkeys(names):  # what can be called in two ways is listed twice
        first, _, members = name.partition(".")
        shown.append(f"`.{members}`" if members and first == before else f"`{name}`")
        before = first
    return ", ".join(shown)


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit code is 1 when a check finds it stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when the page is stale")
    only_check: bool = parser.parse_args(arguments).check
    fresh = page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == fresh:
        return 0
    if only_check:
        print(f"{PAGE.relative_to(ROOT)} is stale; run: python tools/pyflink_docs.py")
        return 1
    PAGE.write_text(fresh, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
