"""An error carries its case: operator, record, the user's own line."""

import errno
import gzip
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from pyarrow import fs

from millstream.connectors.files.streams import open_stream
from millstream_dataflow.errors import (
    NonRecoverableError,
    NotSerializableError,
    SerializationError,
    serialization_error,
)
from millstream_dataflow.keys import key_hash
from millstream_runtime.file_systems.local import _write_all
from millstream_runtime.messages.codec import decode, encode
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_taskmanager.operators.state import pickled
from millstream_taskmanager.user_code.errors import (
    ConnectorCode,
    Naming,
    UnsupportedOperatorError,
    UserCode,
    UserCodeError,
    attributed,
    failure_of,
    last_given,
    traceback_text,
)
from millstream_taskmanager.user_code.selectors import selected_keys


def raised(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # the test's own
        return error
    raise AssertionError


def throw(error: Exception) -> None:
    raise error


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
        with pytest.raises(UserCodeError) as caught, ConnectorCode("source"):
            raise cause
        kinds.append(caught.value.kind)
    assert kinds == [FailureKind.EXTERNAL, FailureKind.USER, FailureKind.USER]


def test_what_depends_on_nothing_but_the_program_and_its_input_is_not_tried_again() -> None:
    unstable = raised(lambda: key_hash([1]))
    assert not UserCodeError(unstable, "keys").failure().restartable
    assert UserCodeError(ValueError("a service is away"), "map").failure().restartable

    class HopelessError(NonRecoverableError):
        """A user's own."""

    assert not UserCodeError(HopelessError("no"), "map").failure().restartable


def test_an_error_of_ours_about_the_program_is_not_our_mistake() -> None:
    failure = failure_of(UnsupportedOperatorError("nothing runs it"))
    assert (failure.kind, failure.restartable) == (FailureKind.USER, False)


@pytest.mark.parametrize("cause", [FileNotFoundError(2, "gone", "x"), OSError(errno.EPROTONOSUPPORT, "ftp://")])
def test_a_path_that_is_not_there_is_a_mistake_at_the_first_look_alone(cause: OSError) -> None:
    for first_look in (True, False):
        with pytest.raises(UserCodeError) as caught, ConnectorCode("source", first_look=first_look):
            raise cause
        failure = caught.value.failure()
        assert (failure.kind, failure.restartable) == (FailureKind.EXTERNAL, not first_look)


def test_a_disk_that_fails_at_the_first_look_may_work_at_the_second() -> None:
    with pytest.raises(UserCodeError) as caught, ConnectorCode("source", first_look=True):
        raise OSError(errno.EIO, "bad disk")
    assert caught.value.failure().restartable


def in_a_task(call: Callable[[], object]) -> Exception:
    """What it raises, with a traceback that doesn't begin in this file, which is the user's here."""
    error = raised(call)
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return error.with_traceback(trace)


def read_all(path: Path) -> None:
    stream = open_stream(fs.LocalFileSystem(), str(path), path.stat().st_size if path.exists() else 9, gzip=True)
    while stream.read(1_000):
        pass


@pytest.mark.parametrize("name", ["cut.gz", "altered.gz", "gone.gz"])
def test_what_our_own_connector_says_of_a_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    """No line of ours stands as the user's, nor one of a library that ours has called; no traceback leads there."""
    packed = gzip.compress(b"a line\n" * 100)
    (tmp_path / "cut.gz").write_bytes(packed[:-9])
    (tmp_path / "altered.gz").write_bytes(packed[:-8] + bytes(8))
    failure = UserCodeError(in_a_task(lambda: read_all(tmp_path / name)), "lines").failure()
    assert (failure.source_line, failure.traceback) == ("", "")
    assert str(tmp_path / name) in failure.headline
    assert "\n" not in failure.message


def test_an_error_that_names_no_file_shows_where_it_was_met() -> None:
    """A full disk names none."""
    with Path("/dev/full").open("wb") as full:
        failure = UserCodeError(in_a_task(lambda: _write_all(full.fileno(), [memoryview(b"a line")])), "out").failure()
    assert failure.message == "OSError: [Errno 28] No space left on device"
    assert failure.source_line == ""
    assert "local.py" in failure.traceback


def test_the_user_s_own_line_that_can_not_read_a_file_keeps_its_traceback() -> None:
    failure = UserCodeError(raised(lambda: throw(FileNotFoundError(2, "gone", "x"))), "lines").failure()
    assert failure.source_line.endswith("raise error")
    assert "raise error" in failure.traceback


def test_a_mistake_of_ours_has_no_line_of_the_user_s_but_a_traceback(tmp_path: Path) -> None:
    failure = UserCodeError(in_a_task(lambda: open_stream(None, "", 1, gzip=True)), "lines").failure()  # type: ignore[arg-type]  # the mistake
    assert failure.source_line == ""
    assert "streams.py" in failure.traceback


def test_a_library_s_function_can_be_the_user_s() -> None:
    """As in `map(json.loads)`."""
    failure = UserCodeError(in_a_task(lambda: json.loads("{")), "parse").failure()
    assert "json/decoder.py" in failure.source_line


def test_an_exit_is_an_error_like_any_other() -> None:
    with pytest.raises(UserCodeError) as caught, UserCode("map"):
        sys.exit(7)
    failure = caught.value.failure()
    assert failure.message == "FunctionExitError: a function called sys.exit(7)"
    assert "sys.exit(7)" in failure.source_line


def lines_of(failure: Failure) -> list[str]:
    return [line.strip() for line in failure.traceback.splitlines() if line.startswith("    ") and "^" not in line]


def test_the_traceback_begins_at_the_users_first_line() -> None:
    def key(value: str) -> object:
        return json.loads(value)

    with pytest.raises(UserCodeError) as caught:
        selected_keys(["1", "{"], key, "reduce")
    lines = lines_of(caught.value.failure())
    assert lines[0] == "return json.loads(value)"
    assert "selectors.py" not in caught.value.failure().traceback
    assert len(lines) > 1, "it goes on into the library"


def test_it_begins_at_our_call_of_a_library_which_may_be_the_users_function_or_our_mistake() -> None:
    with pytest.raises(UserCodeError) as caught:
        selected_keys(["{"], json.loads, "reduce")
    ours, theirs, *_ = lines_of(caught.value.failure())
    assert ours == "return [select(value) for value in given]"
    assert theirs.startswith("return _default_decoder")


def test_it_ends_at_the_users_last_line_where_our_own_error_says_all() -> None:
    with pytest.raises(UserCodeError) as caught:
        selected_keys([1], lambda _: key_hash(object()), "reduce")
    [line] = lines_of(caught.value.failure())
    assert "key_hash(object())" in line


def test_but_goes_on_where_the_mistake_may_be_ours() -> None:
    with pytest.raises(UserCodeError) as caught:
        selected_keys([1], lambda _: last_given([], cast("Iterator[int]", None)), "reduce")
    assert "return values[len(values) - length_hint(iterator) - 1]" in lines_of(caught.value.failure())


def test_what_the_users_exception_came_from_is_shown_with_it() -> None:
    def key(value: str) -> object:
        try:
            return json.loads(value)
        except ValueError as error:
            raise LookupError(value) from error

    with pytest.raises(UserCodeError) as caught:
        selected_keys(["{"], key, "reduce")
    lines = lines_of(caught.value.failure())
    assert (lines[0], lines[-1]) == ("return json.loads(value)", "raise LookupError(value) from error")


class Asked:
    """The user's, asked by a function of ours."""

    def __length_hint__(self) -> int:
        raise LookupError


def test_a_mistake_of_ours_keeps_its_lines_though_the_users_close_raises_too() -> None:
    mistake = in_a_task(lambda: last_given([], cast("Iterator[int]", Asked())))
    closing = raised(lambda: throw(ValueError("in close()")))
    closing.__context__ = mistake  # as in an `except`
    shown = UserCodeError(closing, "map").failure().traceback
    assert ("raise LookupError" in shown, "length_hint(iterator)" in shown) == (True, False)
    assert "return values[len(values) - length_hint(iterator) - 1]" in lines_of(failure_of(mistake))


def test_an_error_that_did_not_come_through_our_code_is_shown_whole() -> None:
    """What a framework of the user's was at when it called them."""
    before = in_a_task(lambda: json.loads("1", parse_int=lambda _: throw(LookupError("before"))))
    error = raised(lambda: throw(ValueError("after")))
    error.__context__ = before
    shown = UserCodeError(error, "map").failure().traceback
    assert "json/decoder.py" in shown
    assert shown == traceback_text(error)


@pytest.mark.parametrize("kind", [NotSerializableError, SerializationError])
def test_only_what_is_wrong_with_values_is_named(kind: type[Exception]) -> None:
    with pytest.raises(UserCodeError) as caught, Naming("Map"):
        raise kind("it can't be pickled")
    assert caught.value.operator == "Map"
    with pytest.raises(ZeroDivisionError), Naming("Map"):
        raise ZeroDivisionError


def test_the_line_is_that_of_the_class_which_could_not_be_serialised() -> None:
    cause = raised(lambda: json.loads("{"))
    error = raised(lambda: throw(serialization_error("it can't be pickled", cause)))
    for failure in (failure_of(error), UserCodeError(error, "map").failure()):
        assert failure.source_line.endswith('cause = raised(lambda: json.loads("{"))')
        assert (failure.kind, failure.restartable) == (FailureKind.USER, True)
        assert failure.message.startswith("SerializationError: it can't be pickled: JSONDecodeError: ")
        assert "json/decoder.py" in failure.traceback


def test_it_is_that_of_the_use_where_the_class_has_no_code() -> None:
    with pytest.raises(SerializationError) as caught:
        pickled(sys)
    assert failure_of(caught.value).source_line.endswith("pickled(sys)")


def test_what_a_user_raises_from_another_error_has_a_line_of_its_own() -> None:
    cause = raised(lambda: json.loads("{"))
    error = ValueError("bad line")
    error.__cause__ = cause
    assert UserCodeError(raised(lambda: throw(error)), "map").failure().source_line.endswith("raise error")


def test_an_error_about_a_record_that_can_not_be_shown() -> None:
    class Grumpy:
        def __repr__(self) -> str:
            raise RuntimeError

    failure = UserCodeError(KeyError(Grumpy()), "map", Grumpy()).failure()
    assert (failure.message, failure.record) == ("KeyError: <unprintable KeyError>", "<unprintable Grumpy>")


def test_the_last_that_was_given() -> None:
    values = ["a", "b", "c"]
    given = iter(values)
    next(given)
    assert last_given(values, given) == "a"
    list(given)
    assert last_given(values, given) == "c"


def test_a_loop_over_user_code_that_we_close_has_raised_nothing() -> None:
    seen: list[str] = []

    def loop() -> Iterator[int]:
        try:
            yield from (1, 2)
        except GeneratorExit:
            seen.append("closed")
            raise

    pulled = attributed(loop(), lambda error: UserCodeError(error, "map"))
    assert next(pulled) == 1
    assert not seen
    pulled.close()  # type: ignore[attr-defined]  # it is a generator
    del pulled
    assert seen == ["closed"]


def test_but_what_it_raises_is_the_users_whatever_it_is() -> None:
    def loop() -> Iterator[int]:
        yield 1
        raise GeneratorExit("the user's")

    pulled = attributed(loop(), lambda error: UserCodeError(error, "map", 7))
    assert next(pulled) == 1
    with pytest.raises(UserCodeError) as caught:
        next(pulled)
    failure = caught.value.failure()
    assert (failure.message, failure.operator, failure.record) == ("GeneratorExit: the user's", "map", "7")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), BaseException("x")])
def test_what_nobody_has_named_is_the_users_if_it_is_no_exception(error: BaseException) -> None:
    assert failure_of(error).kind is FailureKind.USER
    with pytest.raises(UserCodeError) as caught, UserCode("map"):
        raise error
    assert caught.value.cause is error


def test_a_failure_is_bounded_and_can_travel_whatever_it_says() -> None:
    failure = UserCodeError(raised(lambda: throw(ValueError("z" * 5_000_000))), "map", "y" * 5_000).failure()
    assert failure.message.startswith("ValueError: zzz")
    assert failure.message.endswith("... (5,000,012 characters)")
    assert len(failure.message) == 8_192
    assert "throw" in failure.traceback, "the message doesn't push out the lines"
    surrogate = UserCodeError(ValueError("\ud800"), "op\udc00", "\ud800").failure()
    assert (surrogate.message, surrogate.operator) == ("ValueError: \\ud800", "op\\udc00")
    for one in (failure, surrogate):
        assert decode(Failure, encode(one)) == one
        assert len(encode(one)) < 64 << 10
