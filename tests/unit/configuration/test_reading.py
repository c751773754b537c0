"""Reading: a file, the environment, -D; which is stronger, and what is said when something is wrong."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.options import (
    checkpointing,
    execution,
    high_availability,
    jobmanager,
    rpc,
    taskmanager,
)
from millstream_runtime.configuration import MAX_FILE_SIZE, job_store_directory, read_configuration

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        file = tmp_path / "millstream.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write_file


def problems_of(file: Path | None = None, *definitions: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(file, environment, definitions)
    place = "" if file is None else f"{file}"
    return [str(problem).replace(place, "FILE") if place else str(problem) for problem in caught.value.problems]


def test_without_any_source_all_is_default() -> None:
    assert read_configuration() == Configuration()


def test_flat_and_nested_keys_mix(write: Write) -> None:
    file = write("jobmanager.rpc.address: jm-1\njobmanager:\n  rpc:\n    port: 7000\n  bind-host: 127.0.0.1\n")
    configuration = read_configuration(file)
    assert configuration.get(jobmanager.RPC_ADDRESS) == "jm-1"
    assert configuration.get(jobmanager.RPC_PORT) == 7000
    assert configuration.get(jobmanager.BIND_HOST) == "127.0.0.1"
    assert str(configuration.origin(jobmanager.RPC_PORT)) == f"{file}:4"


def test_the_later_source_is_the_stronger_one(write: Write) -> None:
    file = write("parallelism.default: 2\nheartbeat.interval: 2 s\npipeline.name: file\n")
    environment = {"MILLSTREAM_PARALLELISM_DEFAULT": "3", "MILLSTREAM_HEARTBEAT_INTERVAL": "3 s"}
    configuration = read_configuration(file, environment, ["parallelism.default=4"])
    assert configuration.get(execution.PARALLELISM) == 4
    assert str(configuration.origin(execution.PARALLELISM)) == "-D on the command line"
    assert configuration.get(rpc.HEARTBEAT_INTERVAL) == timedelta(seconds=3)
    assert str(configuration.origin(rpc.HEARTBEAT_INTERVAL)) == "environment variable MILLSTREAM_HEARTBEAT_INTERVAL"
    assert configuration.get(execution.NAME) == "file"


def test_an_old_name_in_a_stronger_source_still_wins(write: Write) -> None:
    file = write("execution.checkpointing.num-retained: 3\n")
    configuration = read_configuration(file, {}, ["state.checkpoints.num-retained=4"])
    assert configuration.get(checkpointing.NUM_RETAINED) == 4


def test_of_several_definitions_the_last_counts() -> None:
    configuration = read_configuration(None, {}, ["parallelism.default=2", "parallelism.default=3"])
    assert configuration.get(execution.PARALLELISM) == 3


def test_a_definition_may_hold_equals_signs() -> None:
    assert read_configuration(None, {}, ["pipeline.name=a=b"]).get(execution.NAME) == "a=b"


@pytest.mark.parametrize("definition", ["parallelism.default", "=4", ""])
def test_what_is_no_definition(definition: str) -> None:
    assert problems_of(None, definition) == [f"-D {definition} is no definition; write -D key=value"]


def test_the_directory_of_the_environment(write: Write) -> None:
    directory = write("parallelism.default: 2\n").parent
    environment = {"MILLSTREAM_CONF_DIR": str(directory)}
    assert read_configuration(None, environment).get(execution.PARALLELISM) == 2


def test_a_named_file_goes_before_the_directory(write: Write, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("parallelism.default: 5\n")
    environment = {"MILLSTREAM_CONF_DIR": str(write("parallelism.default: 2\n").parent)}
    assert read_configuration(other, environment).get(execution.PARALLELISM) == 5


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (problem,) = problems_of(None, MILLSTREAM_CONF_DIR=str(tmp_path))
    assert problem.startswith("the file cannot be read: No such file or directory")
    assert f"({tmp_path / 'millstream.yaml'})" in problem


def test_camel_case_keys_have_variables_too() -> None:
    configuration = read_configuration(None, {"MILLSTREAM_TASKMANAGER_NUMBEROFTASKSLOTS": "8"})
    assert configuration.get(taskmanager.NUMBER_OF_TASK_SLOTS) == 8


def test_an_unknown_variable_names_the_nearest() -> None:
    (problem,) = problems_of(None, MILLSTREAM_PARALELISM_DEFAULT="2")
    assert problem == (
        "no key has the environment variable MILLSTREAM_PARALELISM_DEFAULT; "
        "did you mean MILLSTREAM_PARALLELISM_DEFAULT?"
    )


def test_variables_of_others_are_left_alone() -> None:
    assert read_configuration(None, {"PATH": "x", "MILLSTREAMER": "y"}) == Configuration()


def test_variables_of_keys_without_effect() -> None:
    (notice,) = read_configuration(None, {"MILLSTREAM_TASKMANAGER_MEMORY_PROCESS_SIZE": "1g"}).notices
    assert notice.startswith(
        "taskmanager.memory.* (environment variable MILLSTREAM_TASKMANAGER_MEMORY_PROCESS_SIZE) has no effect"
    )


def test_variables_of_refused_keys() -> None:
    (problem,) = problems_of(None, MILLSTREAM_SECURITY_SSL_ENABLED="true")
    assert "certificates are PEM files" in problem


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_is_a_configuration(write: Write, text: str) -> None:
    assert read_configuration(write(text)) == Configuration()


def test_scalars_are_texts_not_yaml_types(write: Write) -> None:
    file = write(
        "pipeline.name: 007\nexecution.checkpointing.interval: 1000\npipeline.operator-chaining.enabled: False\n"
    )
    configuration = read_configuration(file)
    assert configuration.get(execution.NAME) == "007"
    assert configuration.get(checkpointing.INTERVAL) == timedelta(seconds=1)
    assert configuration.get(execution.OPERATOR_CHAINING) is False


@pytest.mark.parametrize(
    "text", ["io.tmp.dirs: [/a, '/b;c']", "io.tmp.dirs:\n  - /a\n  - /b;c\n", "io.tmp.dirs: /a,'/b;c'"]
)
def test_lists(write: Write, text: str) -> None:
    assert read_configuration(write(text)).get(taskmanager.TMP_DIRS) == ("/a", "/b;c")


def test_a_key_that_stands_twice_names_both_lines(write: Write) -> None:
    assert problems_of(write("parallelism.default: 1\nparallelism:\n  default: 2\n")) == [
        "parallelism.default = '2' (FILE:3): it already stands in line 1; keep one of the two"
    ]


def test_mistakes_come_with_their_lines_in_order(write: Write) -> None:
    file = write(
        "parallelism.default: two\n"
        "pipeline.name:\n"
        "pipeline.max-parallelism: [1]\n"
        "io.tmp.dirs: {a: b}\n"
        "paralelism.default: 1\n"
        "? [a, b]\n"
        ": c\n"
    )
    assert problems_of(file) == [
        "parallelism.default = 'two' (FILE:1): the value is not accepted; accepted is a whole number; from 1 to 32768",
        "pipeline.name (FILE:2): there is no value; write one or remove the line",
        "pipeline.max-parallelism (FILE:3): it takes one value; write a single text or number",
        "io.tmp.dirs.a (FILE:4): there is no such key; did you mean io.tmp.dirs?",
        "paralelism.default (FILE:5): there is no such key; did you mean parallelism.default?",
        "a key must be text (FILE:6)",
    ]


def test_nested_elements_are_refused(write: Write) -> None:
    assert problems_of(write("io.tmp.dirs: [[a]]\n")) == [
        "io.tmp.dirs (FILE:1): it is nested too deeply; its elements must be texts or numbers"
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not YAML"),
        ("- a\n- b\n", "holds no keys"),
        ("just words\n", "holds no keys"),
        ("a.b: &x 1\na.c: *x\n", "aliases (*) are not read"),
        ("a: &x\n  b: *x\n", "aliases (*) are not read"),
        ("a.b: 1\n---\na.c: 1\n", "not YAML"),
        ("a.b: \x07\n", "not YAML"),
        ("[" * 1000, "not YAML"),
        ("# " + "x" * MAX_FILE_SIZE, "larger than"),
    ],
    ids=["half", "sequence", "scalar", "alias", "recursion", "two documents", "control", "depth", "size"],
)
def test_files_that_are_no_configuration(write: Write, text: str, words: str) -> None:
    (problem,) = problems_of(write(text))
    assert words in problem


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "millstream.yaml"
    file.write_bytes(b"a.b: \xff\xfe\xfa\n")
    (problem,) = problems_of(file)
    assert "not YAML" in problem


def test_all_sources_report_together(write: Write) -> None:
    assert len(problems_of(write("a.b: 1\n"), "c.d=1", MILLSTREAM_E_F="1")) == 3


def test_contradictions_between_sources_are_found(write: Write) -> None:
    (problem,) = problems_of(write("heartbeat.timeout: 5 s\n"), "heartbeat.interval=6 s")
    assert problem == (
        "heartbeat.interval = '6 s' (-D on the command line): it is above heartbeat.timeout = 5 s (FILE:1), "
        "so each heartbeat would come too late; raise the second or lower the first"
    )


def test_the_keys_that_a_fresh_flink_sets_are_read_with_notices_alone(write: Write) -> None:
    file = write(
        "env.java.opts.all: --add-opens=java.base/java.util=ALL-UNNAMED\n"
        "jobmanager:\n"
        "  bind-host: localhost\n"
        "  rpc: {address: localhost, port: 6123}\n"
        "  memory: {process: {size: 1600m}}\n"
        "  execution: {failover-strategy: region}\n"
        "taskmanager:\n"
        "  bind-host: localhost\n"
        "  host: localhost\n"
        "  numberOfTaskSlots: 1\n"
        "  memory: {process: {size: 1728m}}\n"
        "parallelism: {default: 1}\n"
        "rest: {address: localhost, bind-address: localhost}\n"
    )
    configuration = read_configuration(file)
    assert configuration.get(taskmanager.HOST_NAME) == "localhost"
    assert len(configuration.notices) == 6
    assert all("has no effect" in notice for notice in configuration.notices)


def test_the_job_store_lies_where_the_configuration_says() -> None:
    configuration = Configuration().with_(high_availability.STORAGE_DIR, "/store")
    assert job_store_directory(configuration, {"HOME": "/home/a"}) == "/store"


def test_the_job_store_lies_in_the_directory_for_state_by_default() -> None:
    assert job_store_directory(Configuration(), {"HOME": "/home/a"}) == "/home/a/.local/state/millstream"
    assert job_store_directory(Configuration(), {"XDG_STATE_HOME": "/s/", "HOME": "/home/a"}) == "/s/millstream"


def test_a_relative_directory_for_state_counts_as_not_set() -> None:
    """As the XDG base directory specification says."""
    assert job_store_directory(Configuration(), {"XDG_STATE_HOME": "s", "HOME": "/h"}) == "/h/.local/state/millstream"


@pytest.mark.parametrize(
    "key", ["high-availability.storageDir", "execution.checkpointing.dir", "execution.checkpointing.savepoint-dir"]
)
def test_a_directory_of_several_processes_is_not_relative(key: str) -> None:
    """Each would take it from its own working directory."""
    (problem,) = problems_of(None, f"{key}=state/store")
    assert problem == (
        f"{key} = 'state/store' (-D on the command line): the value is not accepted: it is relative, so each "
        "process would take it from its own working directory; accepted is an absolute path, or a URI "
        "such as s3://bucket/directory, or 'none'"
    )


def test_without_a_home_the_job_store_must_be_named() -> None:
    with pytest.raises(ConfigurationError, match=r"high-availability\.storageDir"):
        job_store_directory(Configuration(), {})
