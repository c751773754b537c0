"""A file is one idea and fits in a head; so does a function, and it says what it gives back."""

import ast
from collections.abc import Iterator

from tests.support.tidy.source import Finding, Source, functions

LONGEST_FILE = 500
LONGEST_FUNCTION = 60


def long_files(source: Source) -> Iterator[Finding]:
    """Files that nobody would split later."""
    lines = len(source.text.splitlines())
    if lines > LONGEST_FILE:
        yield source.finding(
            1, f"{lines} lines, more than {LONGEST_FILE}", "split it along its ideas: state, policy, wire"
        )


def long_functions(source: Source) -> Iterator[Finding]:
    """Functions that hide a second one."""
    for function in functions(source):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > LONGEST_FUNCTION:
            what = f"{function.name} has {lines} lines, more than {LONGEST_FUNCTION}"
            yield source.finding(function.lineno, what, "give its steps names and functions of their own")


def missing_return_annotations(source: Source) -> Iterator[Finding]:
    """Functions that don't say what they give back."""
    for function in functions(source):
        if function.returns is None:
            what = f"{function.name} has no return annotation"
            yield source.finding(function.lineno, what, "add one, `-> None` if it returns nothing")


def missing_package_docstrings(source: Source) -> Iterator[Finding]:
    """Folders that don't say what lives in them."""
    if source.is_package and not ast.get_docstring(source.tree):
        yield source.finding(1, "no docstring", "say what lives in this folder and in what order to read it")
