"""Values and their texts: what is read, what is refused, and that what is written is read back."""

import enum
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.configuration.containers import LIST, MAP
from millstream_dataflow.configuration.parsers import (
    BOOL,
    FLOAT,
    HOST,
    HOST_PORT,
    INT,
    LOCATION,
    PATH,
    SHARED_LOCATION,
    STRING,
    HostPort,
    Parser,
    maybe,
    one_of,
)
from millstream_dataflow.configuration.quantities import DURATION, MEMORY, milliseconds


class Fruit(enum.Enum):
    BLOOD_ORANGE = "blood-orange"
    LEMON = "LEMON"


FRUIT = one_of(Fruit, {"citron": Fruit.LEMON})

ONE_LINE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text == text.strip() and text.isprintable()
)
DURATIONS = st.timedeltas(min_value=timedelta(0), max_value=timedelta.max)
HOSTS = st.one_of(
    st.ip_addresses().map(str),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,5}){0,3}", fullmatch=True),
)
HOST_PORTS = st.builds(HostPort, HOSTS.filter(lambda host: "%" not in host), st.integers(0, 65535))


def is_refused(parser: Parser[Any], text: str) -> bool:
    try:
        parser.parse(text)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", timedelta(seconds=10)),
        ("10 s", timedelta(seconds=10)),
        ("10 seconds", timedelta(seconds=10)),
        ("500 ms", timedelta(milliseconds=500)),
        ("500", timedelta(milliseconds=500)),
        ("250us", timedelta(microseconds=250)),
        ("250 µs", timedelta(microseconds=250)),
        ("3000 ns", timedelta(microseconds=3)),
        ("1 min", timedelta(minutes=1)),
        ("2h", timedelta(hours=2)),
        ("3 D", timedelta(days=3)),
        ("PT10S", timedelta(seconds=10)),
        ("pt1h30m", timedelta(minutes=90)),
        ("P1DT0.000001S", timedelta(days=1, microseconds=1)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert DURATION.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "s", "-1 s", "1.5 s", "1:30", "10 parsecs", "P", "PT", "P1M", "1 ns", "9" * 18 + "d"]
)
def test_what_is_no_duration(text: str) -> None:
    assert is_refused(DURATION, text)


@pytest.mark.parametrize(("value", "expected"), [(0, "0 ms"), (90, "90 s"), (120, "2 min"), (86_400, "1 d")])
def test_durations_are_written_in_the_largest_whole_unit(value: int, expected: str) -> None:
    assert DURATION.render(timedelta(seconds=value)) == expected


def test_a_part_of_a_millisecond_counts_as_one() -> None:
    assert milliseconds(timedelta(0)) == 0
    assert milliseconds(timedelta(microseconds=1)) == 1
    assert milliseconds(timedelta(milliseconds=20)) == 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64kb", 64 << 10),
        ("64 KB", 64 << 10),
        ("1g", 1 << 30),
        ("16 mebibytes", 16 << 20),
        ("17", 17),
        ("2tb", 2 << 40),
    ],
)
def test_memory_sizes(text: str, expected: int) -> None:
    assert MEMORY.parse(text) == expected


@pytest.mark.parametrize("text", ["", "kb", "-1", "1.5 kb", "1 lb", "0x10"])
def test_what_is_no_memory_size(text: str) -> None:
    assert is_refused(MEMORY, text)


@pytest.mark.parametrize("text", ["true", "TRUE", " true "])
def test_true_in_any_case(text: str) -> None:
    assert BOOL.parse(text) is True


@pytest.mark.parametrize("text", ["yes", "on", "1", ""])
def test_only_true_and_false_are_boolean(text: str) -> None:
    assert is_refused(BOOL, text)


@pytest.mark.parametrize("text", ["1_000", "0x10", "1.0", "", "one", "1" * 30])
def test_what_is_no_integer(text: str) -> None:
    assert is_refused(INT, text)


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "", "1_0.5"])
def test_what_is_no_float(text: str) -> None:
    assert is_refused(FLOAT, text)


@pytest.mark.parametrize("text", ["blood-orange", "BLOOD_ORANGE", "Blood-Orange"])
def test_words_are_read_without_regard_to_case_and_dashes(text: str) -> None:
    assert FRUIT.parse(text) is Fruit.BLOOD_ORANGE


def test_a_word_says_what_else_could_be_chosen() -> None:
    assert FRUIT.parse("Citron") is Fruit.LEMON
    assert FRUIT.render(Fruit.LEMON) == "LEMON"
    assert FRUIT.accepts == "blood-orange or LEMON (also citron)"
    assert is_refused(FRUIT, "apple")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:6123", HostPort("localhost", 6123)),
        ("10.0.0.1:0", HostPort("10.0.0.1", 0)),
        ("[::1]:6123", HostPort("::1", 6123)),
    ],
)
def test_host_and_port(text: str, expected: HostPort) -> None:
    assert HOST_PORT.parse(text) == expected


@pytest.mark.parametrize("text", ["localhost", "localhost:", ":6123", "::1:6123", "a:65536", "[a]:1", "a b:1"])
def test_what_is_no_host_and_port(text: str) -> None:
    assert is_refused(HOST_PORT, text)


@pytest.mark.parametrize("text", ["", "a:1", "http://a", "a b", "-a", "a..b"])
def test_what_is_no_host(text: str) -> None:
    assert is_refused(HOST, text)


@pytest.mark.parametrize("text", ["", "~/checkpoints", "3://bucket", "a\nb"])
def test_what_is_no_location(text: str) -> None:
    assert is_refused(LOCATION, text)


@pytest.mark.parametrize("text", ["store", "./store", "../store", "", "~/store"])
def test_what_several_processes_reach_is_not_relative(text: str) -> None:
    assert is_refused(SHARED_LOCATION, text)


@pytest.mark.parametrize("text", ["/store", "file:///store", "s3://bucket/store"])
def test_what_several_processes_reach(text: str) -> None:
    assert SHARED_LOCATION.parse(text) == text


def test_a_path_is_on_this_host() -> None:
    assert PATH.parse("file:///tmp/logs") == "file:///tmp/logs"
    assert is_refused(PATH, "s3://bucket/logs")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a;/b", ("/a", "/b")),
        ("/a, /b", ("/a", "/b")),
        ("[/a, /b]", ("/a", "/b")),
        ("'a;b';c", ("a;b", "c")),
        ("'it''s'", ("it's",)),
        ("a,b;c", ("a,b", "c")),
        ("", ()),
        ("[]", ()),
    ],
)
def test_lists(text: str, expected: tuple[str, ...]) -> None:
    assert LIST.parse(text) == expected


@pytest.mark.parametrize("text", ["a;;b", "'a", "a'b'", "'a'b'", "a;'"])
def test_what_is_no_list(text: str) -> None:
    assert is_refused(LIST, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:1,b:2", {"a": "1", "b": "2"}),
        ("{a: 1, b: s3://x}", {"a": "1", "b": "s3://x"}),
        ("'a:b':'c,d'", {"a:b": "c,d"}),
        ("", {}),
    ],
)
def test_maps(text: str, expected: Mapping[str, str]) -> None:
    assert MAP.parse(text) == expected


@pytest.mark.parametrize("text", ["a", "a:1,a:2", ":1"])
def test_what_is_no_map(text: str) -> None:
    assert is_refused(MAP, text)


def test_a_word_stands_for_no_value() -> None:
    parser = maybe(INT, word="infinite")
    assert parser.parse("Infinite") is None
    assert parser.parse("3") == 3
    assert parser.render(None) == "infinite"


@given(st.booleans())
def test_booleans_come_back(value: bool) -> None:
    assert BOOL.parse(BOOL.render(value)) is value


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_integers_come_back(value: int) -> None:
    assert INT.parse(INT.render(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back(value: float) -> None:
    assert FLOAT.parse(FLOAT.render(value)) == value


@given(ONE_LINE)
def test_strings_come_back(value: str) -> None:
    assert STRING.parse(STRING.render(value)) == value


@given(DURATIONS)
def test_durations_come_back(value: timedelta) -> None:
    assert DURATION.parse(DURATION.render(value)) == value


@given(st.integers(0, 1 << 58))
def test_memory_sizes_come_back(value: int) -> None:
    assert MEMORY.parse(MEMORY.render(value)) == value


@given(st.sampled_from(Fruit))
def test_words_come_back(value: Fruit) -> None:
    assert FRUIT.parse(FRUIT.render(value)) is value


@given(HOST_PORTS)
def test_hosts_and_ports_come_back(value: HostPort) -> None:
    assert HOST_PORT.parse(HOST_PORT.render(value)) == value
    assert HOST.parse(HOST.render(value.host)) == value.host


@given(st.lists(ONE_LINE).map(tuple))
def test_lists_come_back(value: tuple[str, ...]) -> None:
    assert LIST.parse(LIST.render(value)) == value


@given(st.dictionaries(ONE_LINE, st.one_of(ONE_LINE, st.just(""))))
def test_maps_come_back(value: dict[str, str]) -> None:
    assert MAP.parse(MAP.render(value)) == value


@given(st.text())
def test_any_text_is_read_or_refused_with_value_error(text: str) -> None:
    plain = (BOOL, INT, FLOAT, STRING, DURATION, MEMORY, FRUIT, HOST, HOST_PORT)
    for parser in (*plain, LOCATION, SHARED_LOCATION, PATH, LIST, MAP):
        is_refused(parser, text)
