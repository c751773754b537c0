"""What all verbs have in common, and the verbs that need no cluster."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from millstream.cli import jobmanager
from millstream.cli.answers import exit_code_of
from millstream.cli.exit_codes import ExitCode
from millstream.cli.main import VERBS, main
from millstream.errors import (
    ClusterUnreachableError,
    JobFailedError,
    JobNotFoundError,
    JobRefusedError,
    ParallelismError,
    SizeLimitError,
)
from millstream.execution.platforms import PlatformError, check_platform
from millstream_dataflow.configuration import Configuration, ConfigurationError
from tests.support.clusters import free_port


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_shows_an_example(verb: str) -> None:
    result = CliRunner().invoke(main, [verb, "--help"])
    assert result.exit_code == ExitCode.FINISHED
    _, _, examples = result.stdout.partition("Examples:\n")
    assert f"millstream {verb}" in examples


@pytest.mark.parametrize("verb", ["list", "info", "cancel", "stop", "savepoint", "run"])
def test_every_verb_that_asks_a_cluster_has_json_and_says_where_it_is(verb: str) -> None:
    text = CliRunner().invoke(main, [verb, "--help"]).stdout
    assert "--json" in text
    assert "-m, --jobmanager ADDRESS" in text


@pytest.mark.parametrize("verb", ["run", "jobmanager", "taskmanager"])
def test_every_verb_that_logs_has_a_level(verb: str) -> None:
    assert "--log-level" in CliRunner().invoke(main, [verb, "--help"]).stdout


@pytest.mark.parametrize("address", [":1", "host:1x", "[::1"])
def test_an_address_that_is_none_is_a_wrong_use(address: str) -> None:
    assert CliRunner().invoke(main, ["list", "-m", address]).exit_code == ExitCode.USAGE


def test_help_imports_neither_grpc_nor_a_verb() -> None:
    code = "import sys; from millstream.cli.main import main; main(['--help'], standalone_mode=False); "
    code += "heavy = {'grpc', 'rich', 'pyarrow', 'numpy', 'asyncio', 'email', 'yaml', 'google', 'millstream_runtime'}; "
    code += "print([name for name in sys.modules if name.split('.')[0] in heavy])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "[]"


class TestCompletion:
    """`millstream completion SHELL`."""

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_the_lines_for_a_shell(self, shell: str) -> None:
        result = CliRunner().invoke(main, ["completion", shell])
        assert result.exit_code == ExitCode.FINISHED
        assert f"_MILLSTREAM_COMPLETE={shell}_complete" in result.stdout

    def test_they_complete_a_verb(self) -> None:
        variables = {"COMP_WORDS": "millstream sav", "COMP_CWORD": "1", "_MILLSTREAM_COMPLETE": "bash_complete"}
        result = CliRunner().invoke(main, [], env=variables, prog_name="millstream")
        assert result.stdout == "plain,savepoint\n"

    def test_another_shell_is_a_wrong_use(self) -> None:
        assert CliRunner().invoke(main, ["completion", "tcsh"]).exit_code == ExitCode.USAGE


class TestProcesses:
    """`millstream jobmanager` and `millstream taskmanager`, as far as they don't start."""

    def test_binding_off_loopback_is_refused_without_security_insecure(self, tmp_path: Path) -> None:
        store = f"high-availability.storageDir={tmp_path}"
        result = CliRunner().invoke(main, ["jobmanager", "--host", "0.0.0.0", "--port", "0", "-D", store])
        assert result.exit_code == ExitCode.USAGE
        assert "set security.insecure: true" in result.stderr
        result = CliRunner().invoke(main, ["taskmanager", "-D", "taskmanager.bind-host=0.0.0.0"])
        assert result.exit_code == ExitCode.USAGE
        assert "set security.insecure: true" in result.stderr

    @pytest.mark.parametrize(
        "arguments", [("jobmanager", "--port", "70000"), ("taskmanager", "--slots", "0"), ("jobmanager", "extra")]
    )
    def test_a_wrong_value_is_a_wrong_use(self, arguments: tuple[str, ...]) -> None:
        assert CliRunner().invoke(main, arguments).exit_code == ExitCode.USAGE

    def test_a_store_that_another_leads_is_refused(self, tmp_path: Path) -> None:
        from millstream_dataflow.identity import Epoch
        from millstream_jobmanager.store import LocalJobStore

        holder = LocalJobStore(tmp_path)
        holder.open(Epoch(0))
        arguments = ["jobmanager", "--port", str(free_port()), "-D", f"high-availability.storageDir={tmp_path}"]
        result = CliRunner().invoke(main, arguments)
        holder.close()
        assert result.exit_code == ExitCode.FAILED
        assert str(tmp_path) in result.stderr

    @pytest.mark.parametrize("verb", ["jobmanager", "taskmanager"])
    def test_a_port_that_is_taken_is_a_failure_for_both(self, verb: str, tmp_path: Path) -> None:
        key = {"jobmanager": "jobmanager.rpc.port", "taskmanager": "taskmanager.data.port"}[verb]
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            arguments = ["-D", f"{key}={port}", "-D", f"high-availability.storageDir={tmp_path}"]
            result = CliRunner().invoke(main, [verb, *arguments])
        assert result.exit_code == ExitCode.FAILED
        assert f":{port}" in result.stderr
        assert "Address already in use" in result.stderr

    @pytest.mark.parametrize(
        ("verb", "key"),
        [
            ("jobmanager", "env.log.dir"),
            ("jobmanager", "io.tmp.dirs"),
            ("jobmanager", "high-availability.storageDir"),
            ("taskmanager", "env.log.dir"),
            ("taskmanager", "io.tmp.dirs"),
        ],
    )
    def test_a_directory_that_can_t_be_one_is_a_wrong_value(self, verb: str, key: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        store = () if key == "high-availability.storageDir" else ("-D", f"high-availability.storageDir={tmp_path}/s")
        port = () if verb == "taskmanager" else ("-D", "jobmanager.rpc.port=0")
        result = CliRunner().invoke(main, [verb, *store, *port, "-D", f"{key}={tmp_path}/file/inside"])
        assert result.exit_code == ExitCode.USAGE, result.stderr
        assert key in result.stderr

    def test_what_is_above_the_store_is_not_made(self, tmp_path: Path) -> None:
        configuration = Configuration.from_strings({"high-availability.storageDir": f"{tmp_path}/mistyped/a/store"})
        with pytest.raises(ConfigurationError, match=f"there is no {tmp_path}/mistyped, and only the last"):
            jobmanager.local_directory(configuration)

    def test_a_store_that_can_t_be_written_is_a_wrong_value(self, tmp_path: Path) -> None:
        store = f"high-availability.storageDir={tmp_path}"
        (tmp_path / "lock").mkdir()
        result = CliRunner().invoke(main, ["jobmanager", "--port", "0", "-D", store])
        assert result.exit_code == ExitCode.USAGE
        assert "high-availability.storageDir" in result.stderr

    @pytest.mark.parametrize(
        ("location", "path"), [("/var/lib/m", "/var/lib/m"), ("file:///var/lib/a%20b", "/var/lib/a b")]
    )
    def test_the_store_is_a_path_or_a_file_uri(self, location: str, path: str) -> None:
        configuration = Configuration.from_strings({"high-availability.storageDir": location})
        assert jobmanager.local_directory(configuration) == Path(path)

    def test_a_store_behind_another_scheme_is_refused_with_what_to_do(self) -> None:
        configuration = Configuration.from_strings({"high-availability.storageDir": "s3://bucket/store"})
        with pytest.raises(ConfigurationError, match=r"can't lie behind s3://.*name a directory"):
            jobmanager.local_directory(configuration)

    def test_on_windows_starting_one_is_refused_with_the_way_out(self) -> None:
        with pytest.raises(PlatformError, match="WSL 2"):
            check_platform("a jobmanager", "win32")
        check_platform("a jobmanager", "linux")
        assert exit_code_of(PlatformError("no")) == ExitCode.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClusterUnreachableError("x"), 3),
        (JobRefusedError("x"), 4),
        (JobNotFoundError("x"), 4),
        (JobFailedError("x"), 1),
        (ParallelismError("x", "y"), 4),
        (SizeLimitError("x", "y"), 4),
    ],
)
def test_an_error_s_code_says_what_the_caller_would_do(error: ClusterUnreachableError, code: int) -> None:
    assert exit_code_of(error) == code
