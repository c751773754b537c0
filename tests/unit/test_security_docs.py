"""Each line of the threat table in docs/security.md has its test, and its commands are verbs."""

import ast
import re
from pathlib import Path

import pytest

from millstream.cli.main import VERBS
from millstream_dataflow.configuration import TABLE

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
LINES = TEXT.split("\n## Threats\n")[1].strip().splitlines()[2:]
INTERNAL = "tests/unit/runtime/security/test_internal.py::"
ALWAYS = {
    "no certificate": (
        "somebody without a certificate connects as a member",
        f"{INTERNAL}test_a_client_without_a_certificate_is_refused",
    ),
    "a wrong CA": (
        "somebody with a certificate of another authority",
        f"{INTERNAL}test_a_client_of_another_authority_is_refused",
    ),
    "an expired certificate": (
        "somebody with a certificate that has expired",
        f"{INTERNAL}test_a_client_whose_certificate_has_expired_is_refused",
    ),
    "a wrong token": (
        "somebody calls without a token, or with a wrong one",
        "tests/unit/jobmanager/service/test_guard.py::test_without_a_token_that_is_known_no_method_reads_anything",
    ),
    "a foreign job's data channel": (
        "a worker of another job, or of another attempt, opens a data channel",
        "tests/unit/taskmanager/exchange/test_handshake.py::test_another_attempt_region_or_job_is_refused",
    ),
    "a pickle offered to the JobManager": (
        "a pickle is offered to the JobManager: as functions, name, savepoint, question, or in the place of a request",
        "tests/integration/security/test_pickles.py::test_a_pickle_is_offered_to_the_jobmanager_wherever_it_takes_bytes",
    ),
    "an oversized message": (
        "an oversized message, graph, artifact or registration",
        "tests/unit/jobmanager/service/test_sizes.py::test_a_message_larger_than_any_may_be_is_refused_by_its_length",
    ),
    "a slow-loris peer": (
        "slow peers on the control port: silent, one byte after the other, a handshake that stops",
        "tests/unit/runtime/door/test_slow_peers.py::test_others_are_served_meanwhile_and_each_is_closed_in_time",
    ),
}
"""Whatever else the page says, these threats stand there: the line of each, and the test that shows most of it."""


def names(path: Path) -> set[str]:
    """Of the tests in a file, those in classes as `Class::test`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else []
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        functions = [each for each in (node, *inner) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
        found |= {prefix * (each is not node) + each.name for each in functions}
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[1].strip())
def test_every_threat_is_stopped_by_a_test_that_is_there(line: str) -> None:
    _, threat, stop, tests, _ = line.split("|")
    assert threat.strip()
    assert stop.strip()
    found = re.findall(r"`([^`]+)`", tests)
    assert found, "a threat without a test"
    for test in found:
        file, _, name = test.partition("::")
        assert name in names(ROOT / file), test


@pytest.mark.parametrize(("threat", "test"), ALWAYS.values(), ids=ALWAYS)
def test_no_threat_that_everybody_asks_for_is_taken_out(threat: str, test: str) -> None:
    tests = {line.split("|")[1].strip(): line.split("|")[3] for line in LINES}
    assert f"`{test}`" in tests[threat]


def test_what_it_names_is_there() -> None:
    assert set(re.findall(r"^ +millstream (\w+)", TEXT, re.MULTILINE)) <= set(VERBS)
    for key in re.findall(r"`(security\.[a-z.-]+)(?:: true)?`", TEXT):
        assert TABLE.find(key) is not None, key
