"""What the recipes of the cookbook show is what happens, and type checkers find nothing to say about them."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COOKBOOK = ROOT / "docs" / "cookbook"
RECIPES = sorted(path.stem for path in COOKBOOK.glob("*.md") if path.stem != "README")
RUN_BY: dict[str, tuple[str, ...]] = {
    "exactly-once-files": (sys.executable,),
    "next-version": (sys.executable,),
    "pyflink-program": (str(Path(sys.executable).with_name("millstream")), "run", "--inline", "--pyflink"),
}
"""What runs the recipes that need a process of their own: for a cluster that restarts them or takes a savepoint, or for
other names of modules.
"""
MOST_LINES = 40
WIDEST = 120


def programs(recipe: str) -> list[tuple[str, str]]:
    """The programs of a recipe, each with what it prints."""
    text = (COOKBOOK / f"{recipe}.md").read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```\n\nprints\n\n```\n(.*?)```", text, re.DOTALL)
    assert len(found) == text.count("```python") > 0, "each program says what it prints"
    return found


@pytest.mark.parametrize(
    "recipe", [pytest.param(one, marks=[pytest.mark.slow] if one == "next-version" else []) for one in RECIPES]
)
def test_a_recipe_prints_what_it_says(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, as `__main__`, where it can be: a process each would cost a second more."""
    monkeypatch.chdir(tmp_path)
    if recipe not in RUN_BY:
        monkeypatch.setenv("MILLSTREAM_EXECUTION_TARGET", "inline")
    for number, (program, output) in enumerate(programs(recipe)):
        script = tmp_path / f"program_{number}.py"
        script.write_text(program, encoding="utf-8")
        if recipe in RUN_BY:
            run = subprocess.run((*RUN_BY[recipe], str(script)), capture_output=True, text=True, check=False)
            assert (run.stdout, run.returncode) == (output, 0), run.stderr
        else:
            runpy.run_path(str(script), run_name="__main__")
            assert capsys.readouterr() == (output, "")


def test_the_index_asks_what_each_recipe_asks() -> None:
    index = (COOKBOOK / "README.md").read_text(encoding="utf-8")
    asked = {recipe: question for question, recipe in re.findall(r"\[([^]]+)\]\(([\w-]+)\.md\)", index)}
    titles = {recipe: (COOKBOOK / f"{recipe}.md").read_text(encoding="utf-8").split("\n")[0][2:] for recipe in RECIPES}
    assert asked == titles


@pytest.mark.parametrize("recipe", RECIPES)
def test_programs_are_short(recipe: str) -> None:
    for program, _ in programs(recipe):
        lines = program.splitlines()
        assert len(lines) <= MOST_LINES
        assert max(map(len, lines)) <= WIDEST


def test_links_lead_somewhere() -> None:
    for page in COOKBOOK.glob("*.md"):
        prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#]+)\)", prose):
            assert (COOKBOOK / link).exists(), f"{page.name}: {link}"


def test_type_checkers_understand_the_recipes(tmp_path: Path) -> None:
    for recipe in (one for one in RECIPES if one != "pyflink-program"):  # which has names that only a run presents
        for number, (program, _) in enumerate(programs(recipe)):
            (tmp_path / f"{recipe.replace('-', '_')}_{number}.py").write_text(program, encoding="utf-8")
    mypy = [sys.executable, "-m", "mypy", "--no-error-summary", *map(str, sorted(tmp_path.glob("*.py")))]
    assert subprocess.run(mypy, capture_output=True, text=True, check=False, cwd=ROOT).stdout == ""
