"""docs/pyflink.md states each public name of PyFlink's, and states it as it is."""

import inspect
import re
from collections.abc import Callable, Iterator
from enum import EnumType

import pytest

import millstream.pyflink
from millstream.datastream.absent import Absent
from millstream.errors import FacadeError, NotSupportedError
from millstream.pyflink.absent import OF_CLASSES, REASONS, reason
from millstream.pyflink.differences import DIFFERENCES
from millstream.pyflink.presented import NAMES
from millstream_dataflow.not_there import NotThere
from tools import pyflink_docs
from tools.pyflink_verdicts import Judged, Listed, Verdict, judged, listed_names, takes

LISTED = list(listed_names())
JUDGED = [judged(listed) for listed in LISTED]
MISSING = {it.listed for it in JUDGED if it.verdict is Verdict.NOT_THERE}


@pytest.fixture(autouse=True, scope="module")
def installed() -> Iterator[None]:
    millstream.pyflink.install()
    yield
    millstream.pyflink.uninstall()


# --------------------------------------------------------------------------------------------------- as it is read

Stated = dict[tuple[str, str], list[tuple[str, str]]]


def stated(text: str) -> Stated:
    """What the page says of each name in each module: its verdict and the words about it."""
    found: Stated = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        [title] = re.findall(r"\A`(pyflink\.\S+)`\n", section) or [""]
        for row in re.findall(r"^\| (.*) \| (there|differs|not there) \| (.*) \|$", section, re.MULTILINE):
            names, verdict, words = row
            for name in full_names(re.findall(r"`(\S+?)`", names)) if title else ():
                found.setdefault((title, name), []).append((verdict, words))
    return found


def full_names(shown: list[str]) -> Iterator[str]:
    """A name that begins with a dot is a member of the class before it."""
    first = ""
    for name in shown:
        yield f"{first}{name}" if name.startswith(".") else name
        first = first if name.startswith(".") else name.partition(".")[0]


PAGE = stated(pyflink_docs.PAGE.read_text(encoding="utf-8"))


def said(listed: Listed) -> tuple[str, str]:
    """The verdict and the words; each name stands once in its module."""
    [one] = PAGE[listed.module, listed.name]
    return one


def imported(listed: Listed) -> object:
    """As a program imports it."""
    names: dict[str, object] = {}
    exec(f"from {listed.module} import {listed.first}", names)
    return names[listed.first]


def member(listed: Listed) -> object:
    """What the name is, behind its class; AttributeError for a member that isn't there."""
    value = imported(listed)
    for name in listed.name.split(".")[1:]:
        value = getattr(value, name)
    return value


def asked(listed: Listed) -> object:
    """The same as a program asks for it: of a value of an enumeration, of any other class itself."""
    value = imported(listed)
    if isinstance(value, EnumType):
        return getattr(next(iter(value)), listed.name.partition(".")[2])
    return member(listed)


def held(listed: Listed) -> object:
    """What stands in the place of the member that isn't there."""
    value = imported(listed)
    for name in listed.name.split(".")[1:]:
        own = inspect.getattr_static(value, name, None)
        if own is None or isinstance(own, NotThere):
            return own
        value = getattr(value, name)
    return value


def test_the_page_is_fresh() -> None:
    assert pyflink_docs.PAGE.read_text(encoding="utf-8") == pyflink_docs.page(), "run: python tools/pyflink_docs.py"


def test_each_name_is_stated_and_none_besides() -> None:
    assert PAGE.keys() == {(it.module, it.name) for it in LISTED}
    assert len(LISTED) > 1_500


def test_what_is_said_to_be_there_can_be_imported_and_called_as_pyflinks() -> None:
    for listed in LISTED:
        verdict, words = said(listed)
        if verdict == "not there":
            continue
        value = member(listed)
        assert (verdict == "there") == (not words), listed
        if verdict == "there" and listed.parameters is not None:
            assert can_be_called(value, listed), listed


def can_be_called(value: object, listed: Listed) -> bool:
    """Whether its parameters are those of the list, or begin with `self` and go on as those."""
    assert callable(value), listed
    parameters = list(inspect.signature(value).parameters.values())
    without_self = parameters[1:] if parameters and parameters[0].name == "self" else parameters
    return takes(inspect.Signature(without_self), listed.parameters or ())


def test_what_is_said_not_to_be_there_says_so_where_it_is_asked_for() -> None:
    whole = {(it.module, it.name) for it in MISSING}
    for listed in LISTED:
        verdict, words = said(listed)
        if verdict != "not there":
            continue
        assert words, listed
        if (listed.module, listed.first) in whole:
            with pytest.raises(FacadeError, match=re.escape(f"{listed.first} isn't there")) as caught:
                imported(listed)
            assert caught.value.mend == words
        else:
            with pytest.raises(AttributeError) as refused:
                asked(listed)
            assert words in str(refused.value) or not isinstance(held(listed), NotThere)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_call_that_is_not_there_says_what_to_use_instead(name: str) -> None:
    """Objects that aren't made: what is asked for is not in their class, and no more is needed to say so."""
    kind = getattr(millstream, name)
    for listed in MISSING:
        first, _, call = listed.name.partition(".")
        if first == name and call in OF_CLASSES[name]:
            with pytest.raises(NotSupportedError) as caught:
                getattr(object.__new__(kind), call)
            assert said(listed)[1] == caught.value.mend


# ------------------------------------------------------------------------------------------------ as it is written


def test_no_word_is_about_a_name_that_is_there() -> None:
    """Or about one that PyFlink doesn't have."""
    of_names = {name for name in REASONS if not name.startswith("pyflink.")}
    assert of_names <= {it.name for it in MISSING}
    of_modules = set(REASONS) - of_names
    there = {it.module for it in LISTED} - {it.module for it in MISSING}
    assert not of_modules & there


def test_no_difference_is_told_of_a_name_that_is_not_there() -> None:
    assert set(DIFFERENCES) <= {it.name for it in LISTED if it not in MISSING}


@pytest.mark.parametrize(("name", "absent"), OF_CLASSES.items())
def test_classes_lack_what_they_say_that_they_lack(name: str, absent: Absent) -> None:
    assert not [call for call in absent if hasattr(getattr(millstream, name), call)]


def test_a_name_before_its_module_and_a_module_before_its_package() -> None:
    assert reason("pyflink.common", "InputFormat").startswith("use a Source")
    assert reason("pyflink.datastream.connectors", "KafkaSource") == REASONS["pyflink.datastream.connectors.kafka"]
    assert reason("pyflink.datastream.connectors.kafka", "KafkaSource.builder") == reason(
        "pyflink.datastream.connectors", "KafkaSource"
    )
    assert reason("pyflink.table.udf") == REASONS["pyflink.table"]
    assert "pyflink.table" not in NAMES


# ------------------------------------------------------------------------------------------------- what parameters do


def both(size: object, offset: object = None) -> None: ...


def swapped(offset: object = None, size: object = None) -> None: ...


def by_position(size: object, offset: object = None, /) -> None: ...


def demanding(size: object, offset: object, more: object) -> None: ...


def any_number(*paths: object, **options: object) -> None: ...


@pytest.mark.parametrize(
    ("function", "parameters", "expected"),
    [
        (both, ("size", "offset="), True),
        (both, ("size", "offset"), True),
        (both, ("size", "start="), False),
        (both, ("size", "*more"), False),
        (both, ("size", "**more"), False),
        (swapped, ("size", "offset="), False),
        (by_position, ("size", "offset="), False),
        (demanding, ("size", "offset", "more="), False),
        (any_number, ("*paths", "**options"), True),
    ],
)
def test_parameters_go_by_name_and_by_order(
    function: Callable[..., None], parameters: tuple[str, ...], expected: bool
) -> None:
    assert takes(inspect.signature(function), parameters) == expected


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (Listed("pyflink.common.time", "Time.seconds", ("minutes",)), "its parameters are `(seconds)`"),
        (Listed("pyflink.common.time", "Time.seconds", ("seconds",)), ""),
        (
            Listed("pyflink.datastream", "StreamExecutionEnvironment.add_jars", ("*jars_path",)),
            "changes nothing: no Java runs here. A warning says so, once a program",
        ),
    ],
)
def test_what_takes_other_parameters_or_does_nothing_is_said_to_differ(listed: Listed, words: str) -> None:
    assert judged(listed) == Judged(listed, Verdict.DIFFERS if words else Verdict.THERE, words)
