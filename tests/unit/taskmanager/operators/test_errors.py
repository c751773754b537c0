"""An error carries its case: operator, record, the user's own line."""

import json
from collections.abc import Callable

import pytest

from millstream_runtime.messages.failures import FailureKind
from millstream_taskmanager.operators.errors import UserCodeError, bounded_repr, connector_code, failure_of, last_given


def raised(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # the test's own
        return error
    raise AssertionError


def test_the_line_is_the_users_even_where_a_library_raised() -> None:
    failure = UserCodeError(raised(lambda: json.loads("{")), "parse", "{").failure()
    assert failure.kind is FailureKind.USER
    assert failure.source_line.endswith(
        'failure = UserCodeError(raised(lambda: json.loads("{")), "parse", "{").failure()'
    )
    assert "test_errors.py:" in failure.source_line
    assert failure.message.startswith("JSONDecodeError: ")
    assert (failure.operator, failure.record) == ("parse", "'{'")
    assert "json/decoder.py" in failure.traceback


def test_other_errors_are_our_own() -> None:
    failure = failure_of(raised(lambda: 1 // 0))
    assert failure.kind is FailureKind.INTERNAL
    assert failure.operator == ""
    assert "ZeroDivisionError" in failure.traceback


def test_a_connector_fails_for_reasons_of_its_own_or_of_the_machine() -> None:
    kinds: list[FailureKind] = []
    for cause in (FileNotFoundError("gone"), ValueError("bad line"), UserCodeError(KeyError(1), "inner")):
        with pytest.raises(UserCodeError) as caught, connector_code("source"):
            raise cause
        kinds.append(caught.value.kind)
    assert kinds == [FailureKind.EXTERNAL, FailureKind.USER, FailureKind.USER]


def test_records_are_shown_within_bounds() -> None:
    class Grumpy(str):
        __slots__ = ()

        def __repr__(self) -> str:
            raise RuntimeError

    assert bounded_repr("x" * 5_000) == "'" + "x" * 999 + "..."
    assert len(bounded_repr([["y" * 900] * 900] * 900)) < 1_010
    assert bounded_repr(Grumpy("x")) == "<its repr raised RuntimeError>"
    assert bounded_repr({"a": 1}) == "{'a': 1}"


def test_the_last_that_was_given() -> None:
    values = ["a", "b", "c"]
    given = iter(values)
    next(given)
    assert last_given(values, given) == "a"
    list(given)
    assert last_given(values, given) == "c"
