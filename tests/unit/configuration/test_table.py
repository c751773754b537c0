"""The table: every option is whole, no name stands for two things, and no family of Flink's keys hides one."""

from types import ModuleType
from typing import Any

import pytest

from millstream_dataflow.configuration import TABLE, Configuration, Group, Option, OptionTable, Scope
from millstream_dataflow.configuration.option import FlinkDifference
from millstream_dataflow.configuration.options import (
    audit,
    checkpointing,
    client,
    execution,
    high_availability,
    jobmanager,
    logs,
    network,
    recovery,
    restart,
    rpc,
    security,
    taskmanager,
    unaligned,
)
from millstream_dataflow.configuration.parsers import INT, Parser
from millstream_dataflow.configuration.without_effect import REFUSED, WITHOUT_EFFECT, Family

MODULES = [
    *(audit, checkpointing, client, execution, high_availability, jobmanager, logs),
    *(network, recovery, restart, rpc, security, taskmanager, unaligned),
]
OPTIONS = list(TABLE)
NAMES = [(option, name) for option in OPTIONS for name in (option.key, *option.deprecated_keys)]


def a_number(key: str, default: object = 1, deprecated_keys: tuple[str, ...] = ()) -> Option[Any]:
    parser: Parser[Any] = INT
    return Option(key, parser, default, "A number.", Scope.JOB, deprecated_keys=deprecated_keys)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_group_holds_every_option_of_its_file_in_order(module: ModuleType) -> None:
    assert list(module.GROUP.options) == [value for value in vars(module).values() if isinstance(value, Option)]
    assert module.GROUP in TABLE.groups


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_an_option_is_whole(option: Option[Any]) -> None:
    assert option.parse(option.default_text) == option.default
    assert option.meaning.endswith(".")
    assert option.accepts
    assert not option.own or (not option.deprecated_keys and (option.flink is None or not option.flink.default))
    assert option.flink is None or option.flink.default != option.default_text


@pytest.mark.parametrize(("option", "name"), NAMES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_name_finds_its_option(option: Option[Any], name: str) -> None:
    assert TABLE.find(name) is option


def test_every_variable_finds_its_option() -> None:
    for variable, key in TABLE.variables.items():
        assert TABLE.find_variable(variable) == key
    assert TABLE.find_variable("MILLSTREAM_TASKMANAGER_NUMBEROFTASKSLOTS") == "taskmanager.numberOfTaskSlots"
    assert {option.environment_name for option in OPTIONS} <= TABLE.variables.keys()
    assert len({option.environment_name for option in OPTIONS}) == len(OPTIONS)


@pytest.mark.parametrize("family", [*WITHOUT_EFFECT, *REFUSED], ids=str)
def test_no_family_covers_an_option(family: Family) -> None:
    assert not [option.key for option in OPTIONS if family.covers(option.key)]
    assert not [option.key for option in OPTIONS if family.covers_variable(option.environment_name)]


def test_no_family_is_named_twice() -> None:
    names = [family.name for family in (*WITHOUT_EFFECT, *REFUSED)]
    assert sorted(names) == sorted(set(names))


def test_two_options_of_one_key_are_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"a\.b is declared twice"):
        OptionTable([Group("A", "", (a_number("a.b"), a_number("a.c", deprecated_keys=("a.b",))))])


def test_two_options_of_one_variable_are_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"a\.b-c and a\.b\.c share the variable MILLSTREAM_A_B_C"):
        OptionTable([Group("A", "", (a_number("a.b.c"), a_number("a.b-c")))])


@pytest.mark.parametrize("key", ["a", "A.b", "a.", "a..b", "a b.c", "a_b.c"])
def test_a_malformed_key_is_a_mistake(key: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        a_number(key)


def test_a_default_must_be_acceptable() -> None:
    with pytest.raises(ValueError, match="of type str"):
        a_number("a.b", default="1")


def test_an_option_outside_the_table_cannot_be_read() -> None:
    with pytest.raises(KeyError, match="add it to its group"):
        Configuration().get(a_number("a.b"))


def test_nearest() -> None:
    assert TABLE.nearest("paralelism.default") == "parallelism.default"
    assert TABLE.nearest("taskmanager.numberoftaskslots") == "taskmanager.numberOfTaskSlots"
    assert TABLE.nearest("qqqqqq") is None


def test_a_difference_says_flinks_default_or_that_the_meaning_differs() -> None:
    assert str(FlinkDifference("why", default="1")) == "Flink: 1; why"
    assert str(FlinkDifference("why")) == "Unlike Flink: why"


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("jobmanager.rpc.port", "6123"),
        ("parallelism.default", "1"),
        ("pipeline.max-parallelism", "-1"),
        ("pipeline.auto-watermark-interval", "200 ms"),
        ("execution.buffer-timeout.interval", "100 ms"),
        ("execution.checkpointing.timeout", "10 min"),
        ("execution.checkpointing.num-retained", "2"),
        ("execution.checkpointing.data-inline-threshold", "20 kb"),
        ("heartbeat.interval", "10 s"),
        ("heartbeat.timeout", "50 s"),
        ("slot.request.timeout", "5 min"),
        ("task.cancellation.timeout", "3 min"),
        ("restart-strategy.exponential-delay.max-backoff", "1 min"),
        ("restart-strategy.exponential-delay.backoff-multiplier", "1.5"),
    ],
)
def test_defaults_that_users_of_flink_count_on(key: str, default: str) -> None:
    option = TABLE.find(key)
    assert option is not None
    assert option.default_text == default


@pytest.mark.parametrize(
    ("key", "default", "law"),
    [
        ("jobmanager.execution.reconnect-timeout", "500 ms", "3.2"),
        ("rpc.max-message-size", "256 kb", "3.3"),
        ("execution.checkpointing.data-inline-threshold", "20 kb", "3.3"),
        ("jobstore.expiration-time", "1 h", "2.3"),
        ("jobmanager.execution.adoption-timeout", "10 s", "3.4"),
        ("taskmanager.leader-absence-timeout", "15 min", "3.5"),
        ("task.cancellation.failover-timeout", "200 ms", "3.6"),
        ("taskmanager.network.peer-timeout", "15 s", "9.2"),
        ("audit.on-imbalance", "fail-job", "10.4"),
    ],
)
def test_defaults_that_the_laws_name(key: str, default: str, law: str) -> None:
    option = TABLE.find(key)
    assert option is not None, f"law {law} has no option"
    assert option.default_text == default
