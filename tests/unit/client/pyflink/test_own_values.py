"""Small values that PyFlink has and Millstream has no use for by itself."""

from concurrent.futures import Future

import pytest

from millstream import Row
from millstream.pyflink.own.config_options import ConfigOption, ConfigOptions
from millstream.pyflink.own.futures import CompletableFuture
from millstream.pyflink.own.instant import Instant
from millstream.pyflink.own.job_id import JobID
from millstream.pyflink.own.memory_size import MemorySize
from millstream.pyflink.own.schemas import ByteArraySchema, RowFieldExtractorSchema, SimpleStringSchema
from tests.unit.client.programs import environment, numbers


def test_what_a_client_gives_is_what_the_names_say() -> None:
    stream = numbers(environment(execution_target="inline"))
    stream.print()
    client = stream.get_execution_environment().execute_async()
    assert isinstance(client.get_job_id(), JobID)
    assert isinstance(client.get_job_status(), CompletableFuture)
    assert CompletableFuture is Future
    assert client.get_accumulators().result() == {}
    result = client.get_job_execution_result().result()
    assert result.get_all_accumulator_results() == {}
    assert result.get_accumulator_result("n") is None
    assert client.get_job_status().result().is_terminal_state()


@pytest.mark.parametrize("milliseconds", [0, 1_234, -1])
def test_instants(milliseconds: int) -> None:
    instant = Instant.of_epoch_milli(milliseconds)
    assert instant.to_epoch_milli() == milliseconds
    assert Instant(1, 2_000_000).to_epoch_milli() == 1_002


def test_config_options() -> None:
    builder = ConfigOptions.key("some.key")
    assert builder.int_type().default_value(3) == ConfigOption("some.key", int, 3)
    assert builder.double_type().default_value(3) == ConfigOption("some.key", float, 3)
    assert builder.string_type().no_default_value().default is None
    assert str(builder.boolean_type().no_default_value()) == "some.key"
    with pytest.raises(TypeError, match=r"some\.key holds int values, but got the default True"):
        builder.long_type().default_value(True)


def test_memory_sizes() -> None:
    size = MemorySize.of_mebi_bytes(2_048)
    assert (size.get_bytes(), size.get_kibi_bytes(), size.get_mebi_bytes()) == (1 << 31, 1 << 21, 2_048)
    assert (size.get_gibi_bytes(), size.get_tebi_bytes(), str(size)) == (2, 0, "2147483648 bytes")
    assert MemorySize(1) < MemorySize(2)
    with pytest.raises(ValueError, match="0 or more, but got -1"):
        MemorySize(-1)
    with pytest.raises(AttributeError, match=r"get_java_memory_size of MemorySize isn't there: no Java runs here"):
        size.get_java_memory_size()


def test_schemas() -> None:
    for schema, value, data in (
        (SimpleStringSchema(), "é", b"\xc3\xa9"),
        (SimpleStringSchema("latin-1"), "é", b"\xe9"),
        (ByteArraySchema(), b"x", b"x"),
    ):
        assert schema.serialize(value) == data  # type: ignore[arg-type]  # each its own
        assert schema.deserialize(data) == value
    assert RowFieldExtractorSchema(1).serialize(Row("key", b"value")) == b"value"


def test_schemas_refuse_what_they_cant_do() -> None:
    with pytest.raises(LookupError, match="unknown encoding"):
        SimpleStringSchema("no-such-charset")
    with pytest.raises(TypeError, match="must hold bytes, but is a str; encode it"):
        RowFieldExtractorSchema(0).serialize(Row("key"))
    with pytest.raises(ValueError, match="counted from 0, but got -1"):
        RowFieldExtractorSchema(-1)
