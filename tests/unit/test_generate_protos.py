"""Generated code: written beside the contracts, compared on --check, cleared away when its contract is gone."""

from pathlib import Path

import pytest

from tools.generate_protos import main

MESSAGE = 'syntax = "proto3"; package millstream.test; message Ping { int64 number = 1; }'
SERVICE = MESSAGE + " service Echo { rpc Send(Ping) returns (Ping); }"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "package").mkdir()
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / "package" / name).write_text(text, encoding="utf-8")


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "package").iterdir()}


def test_only_a_service_gets_grpc_code(folder: Path) -> None:
    write(folder, "generate_only_a_message.proto", MESSAGE.replace("Ping", "Pong"))
    write(folder, "generate_a_service.proto", SERVICE)
    assert main([], folder) == 0
    assert names(folder) >= {"generate_a_service_pb2_grpc.py", "generate_only_a_message_pb2.pyi"}
    assert "generate_only_a_message_pb2_grpc.py" not in names(folder)


def test_stale_missing_and_left_over_files_are_named_and_mended(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "contract.proto", MESSAGE)
    write(folder, "contract_pb2.py", "# old")
    write(folder, "gone_pb2.py", "# its contract was removed")
    assert main(["--check"], folder) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.split("/")[-1] for line in said] == [
        "contract_pb2.py is stale; run: make proto",
        "contract_pb2.pyi is missing; run: make proto",
        "gone_pb2.py has no .proto any more; run: make proto",
    ]
    assert main([], folder) == 0
    assert main(["--check"], folder) == 0
    assert names(folder) == {"contract.proto", "contract_pb2.py", "contract_pb2.pyi"}


def test_a_broken_contract_stops_the_run(folder: Path) -> None:
    write(folder, "broken.proto", "no contract at all")
    with pytest.raises(SystemExit) as stop:
        main(["--check"], folder)
    assert stop.value.code
