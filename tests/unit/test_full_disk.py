"""The disk of another process is full, and free again."""

import subprocess
from pathlib import Path

from tests.support.full_disk import fill_disk_of, free_disk_of


def test_a_process_finds_its_disk_full_and_free_again(tmp_path: Path) -> None:
    script = 'trap "" XFSZ; while read word; do echo "$word" >> "$0" 2>/dev/null && echo written || echo full; done'
    command = ["bash", "-c", script, str(tmp_path / "file")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def write() -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            print("word", file=process.stdin, flush=True)
            return process.stdout.readline().strip()

        assert write() == "written"
        fill_disk_of(process.pid)
        assert write() == "full"
        free_disk_of(process.pid)
        assert write() == "written"
        process.stdin.close()
