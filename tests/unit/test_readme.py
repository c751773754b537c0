"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_program_prints_what_it_says(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```\n\nprints\n\n```\n(.*?)```", text, re.DOTALL)
    assert programs, "README.md shows no program with its output"
    for number, (program, output) in enumerate(programs):
        script = tmp_path / f"program_{number}.py"
        script.write_text(program, encoding="utf-8")
        run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
        assert (run.stdout, run.stderr) == (output, "")
