"""What the page about asynchronous I/O shows is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "async-io.md"


def test_the_pages_programs_print_what_it_says(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```\n\nprints\n\n```\n(.*?)```", text, re.DOTALL)
    assert len(programs) == text.count("```python"), "each program says what it prints"
    inline = {**os.environ, "MILLSTREAM_EXECUTION_TARGET": "inline"}
    for number, (program, output) in enumerate(programs):
        script = tmp_path / f"program_{number}.py"
        script.write_text(program, encoding="utf-8")
        run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, env=inline)
        assert (run.stdout, run.stderr) == (output, "")
