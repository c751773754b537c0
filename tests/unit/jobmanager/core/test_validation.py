"""What a JobManager refuses, whatever the client checked before (issue's fault 5, laws 5.4, 8.2)."""

from dataclasses import replace

import pytest

from millstream_dataflow.job_graph import JobGraph, Partitioning
from millstream_jobmanager.core.settings import CheckpointSettings, ClusterSettings
from millstream_jobmanager.core.validation import commits_outside, endless_problem, graph_problem, versions_problem
from tests.support.core_shell import CoreShell
from tests.support.graphs import VERSIONS, edge, forward_only, graph, keyed, keyed_job, sink, source, two_pipelines

START, MIDDLE, END = source(2), keyed(2), sink(2)
HASH, FORWARD = Partitioning.HASH, Partitioning.FORWARD


def cyclic() -> JobGraph:
    other = keyed(2, name="other")
    edges = edge(0, START, MIDDLE, HASH), edge(1, MIDDLE, other, HASH), edge(2, other, MIDDLE, HASH)
    return graph((START, MIDDLE, other), edges)


REFUSED: list[tuple[str, JobGraph]] = [
    ("has format 99, this JobManager reads 1", replace(keyed_job(), format=99)),
    ("has no vertices", graph((), ())),
    ("vertex source stands twice", graph((START, START), ())),
    ("operator source-op stands 2 times", graph((START, replace(END, operators=START.operators)), ())),
    ("parallelism 3 and maximal parallelism 2", graph((source(3, maximum=2),), ())),
    ("parallelism 0", graph((source(0),), ())),
    ("edge 0 stands twice", graph((START, MIDDLE, END), (edge(0, START, MIDDLE, HASH), edge(0, MIDDLE, END, HASH)))),
    ("edge 0 leads from or to a vertex that isn't", graph((START,), (edge(0, START, MIDDLE, HASH),))),
    ("joins parallelism 2 and 3", graph((START, keyed(3)), (edge(0, START, keyed(3), FORWARD),))),
    ("a cycle through Count, Other", cyclic()),
    ("Count has no input and doesn't take checkpoint triggers", graph((START, MIDDLE), ())),
    (
        "Count has inputs and takes checkpoint triggers",
        graph((START, replace(MIDDLE, triggered=True)), (edge(0, START, MIDDLE, HASH),)),
    ),
]


@pytest.mark.parametrize(("words", "wrong"), REFUSED, ids=[words for words, _ in REFUSED])
def test_refused_with_a_sentence(words: str, wrong: JobGraph) -> None:
    """Issue 3, fault 5."""
    problem = graph_problem(wrong)
    assert problem is not None
    assert words in problem


@pytest.mark.parametrize("job", [keyed_job(), two_pipelines(), forward_only(3)], ids=["keyed", "two", "forward"])
def test_accepted(job: JobGraph) -> None:
    """What is right passes."""
    assert graph_problem(job) is None


@pytest.mark.parametrize("name", ["python", "millstream", "cloudpickle", "pyarrow"])
def test_other_versions_than_those_of_whoever_may_run_it(name: str) -> None:
    """Fault 5: a worker would refuse its functions, after the job was accepted."""
    other = replace(VERSIONS, **{name: "2.7"})
    job = replace(keyed_job(), versions=other)
    assert versions_problem(job, {"TaskManager a": other}) is None
    assert versions_problem(job, {}) is None
    problem = versions_problem(job, {"TaskManager a": other, "TaskManager b": VERSIONS})
    assert f"{name} 2.7, TaskManager b has {getattr(VERSIONS, name)}" in (problem or "")


def test_the_jobmanagers_versions_count_until_a_taskmanager_has_registered() -> None:
    shell = CoreShell(cluster=ClusterSettings(versions=replace(VERSIONS, python="2.7")))
    refused = shell.submit(keyed_job())
    shell.register("a", 2)
    accepted = shell.submit(keyed_job())
    shell.run(10)
    assert "the JobManager has 2.7" in str(shell.replies[refused].refusal)
    assert shell.replies[accepted].refusal is None


def test_an_endless_job_that_would_never_commit() -> None:
    """Law 5.4."""
    off, on = CheckpointSettings(), CheckpointSettings(interval=1_000)
    endless = keyed_job(bounded=False)
    assert "Source never ends" in (endless_problem(endless, off) or "")
    assert endless_problem(endless, on) is None
    assert endless_problem(keyed_job(), off) is None
    harmless = keyed_job(bounded=False, commits=False)
    assert endless_problem(harmless, off) is None
    assert (commits_outside(endless), commits_outside(harmless)) == (True, False)
