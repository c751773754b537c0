"""Values with their origins: layers, notices, mistakes, and the way through a job graph and back."""

import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.configuration import (
    DEFAULT,
    JOB_GRAPH,
    PROGRAM,
    TABLE,
    Configuration,
    ConfigurationError,
    Option,
    Origin,
    Scope,
    Text,
)
from millstream_dataflow.configuration.enums import RestartStrategy
from millstream_dataflow.configuration.options import checkpointing, client, execution, restart, rpc, taskmanager

FILE = Origin.file("millstream.yaml", 3)


def reading(*pairs: tuple[str, str]) -> Configuration:
    return Configuration.read(Text(key, value, FILE) for key, value in pairs)


def problems_of(*pairs: tuple[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        reading(*pairs)
    return [str(problem) for problem in caught.value.problems]


def test_what_nobody_set_has_its_default() -> None:
    configuration = Configuration()
    assert configuration.get(execution.PARALLELISM) == 1
    assert configuration.origin(execution.PARALLELISM) == DEFAULT
    assert not configuration.is_set(execution.PARALLELISM)


def test_a_value_keeps_its_origin() -> None:
    configuration = reading(("parallelism.default", "4"))
    assert configuration.get(execution.PARALLELISM) == 4
    assert str(configuration.origin(execution.PARALLELISM)) == "millstream.yaml:3"


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (DEFAULT, "default"),
        (FILE, "millstream.yaml:3"),
        (Origin.file("a.yaml"), "a.yaml"),
        (Origin.environment("MILLSTREAM_X"), "environment variable MILLSTREAM_X"),
        (Origin.command_line(), "-D on the command line"),
        (Origin.command_line("--slots"), "--slots on the command line"),
        (PROGRAM, "the program"),
        (JOB_GRAPH, "the job graph"),
    ],
)
def test_origins_in_words(origin: Origin, words: str) -> None:
    assert str(origin) == words


def test_the_stronger_layer_has_its_way_and_leaves_the_rest() -> None:
    below = reading(("parallelism.default", "4"), ("heartbeat.interval", "1 s"))
    both = below.under(Configuration().with_(execution.PARALLELISM, 8))
    assert both.get(execution.PARALLELISM) == 8
    assert both.origin(execution.PARALLELISM) == PROGRAM
    assert both.get(rpc.HEARTBEAT_INTERVAL) == timedelta(seconds=1)
    assert below.get(execution.PARALLELISM) == 4


def test_text_can_be_set_under_any_name() -> None:
    configuration = Configuration().with_text("state.checkpoints.num-retained", "5")
    assert configuration.get(checkpointing.NUM_RETAINED) == 5
    (notice,) = configuration.notices
    assert (
        notice
        == "state.checkpoints.num-retained (the program) is an old name; write execution.checkpointing.num-retained"
    )


def test_a_stronger_layer_can_unset() -> None:
    below = reading(("execution.checkpointing.interval", "1 s"))
    assert below.under(reading(("execution.checkpointing.interval", "none"))).get(checkpointing.INTERVAL) is None


def test_a_key_without_effect_is_named() -> None:
    (notice,) = reading(("taskmanager.memory.process.size", "1g")).notices
    assert (
        notice
        == "taskmanager.memory.process.size (millstream.yaml:3) has no effect: processes take the memory they need"
    )


def test_a_notice_is_given_once() -> None:
    layer = reading(("python.execution-mode", "process"))
    assert len(layer.under(layer).notices) == 1


def test_an_unknown_key_names_the_nearest() -> None:
    assert problems_of(("paralelism.default", "4")) == [
        "paralelism.default (millstream.yaml:3): there is no such key; did you mean parallelism.default?"
    ]


def test_an_unknown_key_without_a_neighbour() -> None:
    assert problems_of(("qqqqqq", "4")) == [
        "qqqqqq (millstream.yaml:3): there is no such key; 'millstream config' lists all keys"
    ]


def test_a_key_of_flink_that_cannot_be_honoured_is_refused_with_the_reason() -> None:
    (problem,) = problems_of(("state.backend.rocksdb.memory.managed", "true"))
    assert problem == (
        "state.backend.rocksdb.memory.managed (millstream.yaml:3): keyed state lies in memory in this version; "
        "remove the key"
    )


def test_a_wrong_value_names_key_value_source_and_what_is_accepted() -> None:
    (problem,) = problems_of(("parallelism.default", "0"))
    assert problem == (
        "parallelism.default = '0' (millstream.yaml:3): the value is not accepted; "
        "accepted is a whole number; from 1 to 32768"
    )


def test_an_exchange_that_batch_jobs_do_not_have_is_refused() -> None:
    (problem,) = problems_of(("execution.batch-shuffle-mode", "ALL_EXCHANGES_HYBRID_FULL"))
    assert problem.endswith("accepted is ALL_EXCHANGES_BLOCKING or ALL_EXCHANGES_PIPELINED")


def test_every_mistake_is_told_at_once() -> None:
    assert len(problems_of(("a.b", "1"), ("parallelism.default", "x"), ("heartbeat.interval", "-1"))) == 3


def test_old_and_new_name_together_are_refused() -> None:
    (problem,) = problems_of(
        ("execution.checkpointing.dir", "/a"),
        ("state.checkpoints.dir", "/b"),
    )
    assert problem == (
        "state.checkpoints.dir = '/b' (millstream.yaml:3): execution.checkpointing.dir (millstream.yaml:3) sets the "
        "same; keep one, under the name execution.checkpointing.dir"
    )


def test_the_same_key_twice_in_a_layer_is_refused() -> None:
    (problem,) = problems_of(("parallelism.default", "1"), ("parallelism.default", "2"))
    assert "it is already set (millstream.yaml:3)" in problem


@pytest.mark.parametrize(
    ("option", "value"),
    [
        (execution.PARALLELISM, "4"),
        (execution.PARALLELISM, True),
        (execution.PARALLELISM, 0),
        (checkpointing.INTERVAL, 1000),
        (checkpointing.INTERVAL, timedelta(milliseconds=1)),
        (checkpointing.MIN_PAUSE, timedelta(seconds=-1)),
        (checkpointing.MIN_PAUSE, None),
        (execution.NAME, "two\nlines"),
        (execution.NAME, "none"),
        (restart.STRATEGY, "fixed-delay"),
        (taskmanager.TMP_DIRS, ["/a"]),
        (taskmanager.TMP_DIRS, ("",)),
        (restart.EXPONENTIAL_MULTIPLIER, float("nan")),
    ],
)
def test_a_program_cannot_set_what_a_file_could_not(option: Option[Any], value: object) -> None:
    with pytest.raises(ConfigurationError, match=option.key):
        Configuration().with_(option, value)


def test_only_some_scopes() -> None:
    configuration = reading(("parallelism.default", "4"), ("heartbeat.interval", "1 s"), ("client.timeout", "9 s"))
    assert configuration.only({Scope.JOB}).to_strings() == {"parallelism.default": "4"}
    assert configuration.to_strings({Scope.CLIENT, Scope.CLUSTER}) == {
        "heartbeat.interval": "1 s",
        "client.timeout": "9 s",
    }
    assert configuration.only({Scope.JOB}).get(client.TIMEOUT) == timedelta(minutes=1)


def test_strings_are_read_back_as_of_the_job_graph() -> None:
    sent = Configuration().with_(restart.STRATEGY, RestartStrategy.NONE).with_(taskmanager.TMP_DIRS, ("/a;b", "/c"))
    strings = sent.to_strings()
    assert strings == {"restart-strategy.type": "none", "io.tmp.dirs": "['/a;b', /c]"}
    received = Configuration.from_strings(strings)
    assert received.get(restart.STRATEGY) is RestartStrategy.NONE
    assert received.get(taskmanager.TMP_DIRS) == ("/a;b", "/c")
    assert received.origin(restart.STRATEGY) == JOB_GRAPH


VALUES_BY_KIND: dict[str, st.SearchStrategy[str]] = {
    "integer": st.integers(-1, 40_000).map(str),
    "float": st.floats(0, 10).map(repr),
    "boolean": st.sampled_from(["true", "FALSE"]),
    "duration": st.integers(0, 10**9).map(lambda number: f"{number} ms"),
    "memory size": st.integers(0, 1 << 21).map(lambda number: f"{number} kb"),
    "string": st.text(st.characters(categories=["L", "N", "S"]), min_size=1),
    "list": st.lists(st.text(st.sampled_from("a;,' :[]"), min_size=1)).map(str),
}


@given(st.data())
def test_whatever_could_be_set_travels(data: st.DataObject) -> None:
    configuration = Configuration()
    for option in data.draw(st.lists(st.sampled_from(list(TABLE)), unique_by=lambda option: option.key)):
        text = data.draw(VALUES_BY_KIND.get(option.parser.kind, st.just(option.default_text)))
        try:
            configuration = configuration.with_text(option.key, text)
        except ConfigurationError:
            continue
    received = Configuration.from_strings(configuration.to_strings())
    assert [received.get(option) for option in TABLE] == [configuration.get(option) for option in TABLE]


def test_a_configuration_and_its_errors_can_be_pickled() -> None:
    configuration = reading(("parallelism.default", "4"))
    assert pickle.loads(pickle.dumps(configuration)) == configuration
    with pytest.raises(ConfigurationError) as caught:
        reading(("a.b", "1"), ("a.c", "1"))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.problems == caught.value.problems
    assert str(copy) == str(caught.value)
