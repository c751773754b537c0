"""What the configuration says about the port."""

import asyncio
import tempfile
import urllib.request
from pathlib import Path

import pytest

from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_runtime.health import health_answers
from tests.unit.runtime.health.conftest import Answers


def configuration(directory: Path, **settings: object) -> Configuration:
    texts = {f"health.{key.replace('_', '-')}": str(value) for key, value in settings.items()}
    return Configuration.from_strings({"io.tmp.dirs": str(directory), **texts})


def empty(directory: Path) -> bool:
    return not list(directory.iterdir())


async def test_without_a_port_nobody_answers(tmp_path: Path) -> None:
    async with health_answers(configuration(tmp_path), Answers()) as port:
        assert port is None
    assert empty(tmp_path)


async def test_it_answers_within_the_block(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with health_answers(configuration(tmp_path, port=0), Answers()) as port:
        url = f"http://localhost:{port}/livez"
        with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
            assert answer.read() == b"ok\n"
    assert f"health is answered on localhost:{port} (HTTP" in caplog.text
    assert empty(tmp_path)
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(urllib.request.urlopen, url)


async def test_other_hosts_may_ask_without_more_ado(tmp_path: Path) -> None:
    async with health_answers(configuration(tmp_path, port=0, bind_host="0.0.0.0"), Answers()) as port:
        assert port


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with health_answers(configuration(tmp_path, port=0), Answers()) as port:
        with pytest.raises(OSError, match=rf"localhost:{port}: Address already in use; another health\.port, or 0"):
            async with health_answers(configuration(tmp_path, port=port), Answers()):
                pass


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
async def test_a_host_that_is_not_this_one_is_named(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"health\.bind-host = .*write an address of this host"):
        async with health_answers(configuration(tmp_path, port=0, bind_host=host), Answers()):
            pass


async def test_a_directory_that_can_hold_no_socket_is_named() -> None:
    mend = r"io\.tmp\.dirs = .*name a directory that this user may write to"
    with (
        tempfile.NamedTemporaryFile() as file,  # its path is short enough for a socket's
        pytest.raises(ConfigurationError, match=mend),
    ):
        async with health_answers(configuration(Path(file.name), port=0), Answers()):
            pass
