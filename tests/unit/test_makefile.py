"""Bare `make` is the door: it greets a newcomer and gives every verb a line."""

import re
import subprocess

from tests.support.tidy.source import ROOT


def test_bare_make_lists_every_verb_with_its_help() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.findall(r"^\.PHONY: (\S+)$", text, re.MULTILINE)) - {"help"}
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "If you are new here" in listed.splitlines()[0]
    assert set(re.findall(r"^  make (\S+) +\S", listed, re.MULTILINE)) == verbs
