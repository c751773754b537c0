"""Each line of docs/operations.md is shown by a test, and the words that it quotes are said by the code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from millstream.cli.main import VERBS
from millstream_dataflow.configuration import TABLE
from tests.support.zookeeper import LACKS_A_PROPOSAL
from tests.unit.test_security_docs import names

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TABLES = {
    line.split("|")[1].strip(): line
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| what ")
}
"""Each line by what fails, or what is planned."""
LINES = [*TABLES]

HA = "tests/integration/ha/"
INTEGRATION = "tests/integration/"
SHOWN = {
    "the leader dies (killed, out of memory, its host is gone)": [
        f"{HA}test_fault_1_leader_killed.py::test_the_tasks_go_on_and_the_next_leader_completes_their_checkpoints",
        f"{HA}test_election.py::test_who_closes_its_session_is_followed_at_once",
    ],
    "a standby dies": ["tests/chaos/test_chaos.py::test_a_minute_of_chaos"],
    "the leader is frozen (a stopped machine, a paused container)": [
        f"{HA}test_fault_2_leader_frozen.py::test_it_steps_down_and_nothing_of_it_takes_effect"
    ],
    "the leader stands still (its process runs, and answers nobody)": [
        f"{HA}test_fault_2_leader_frozen.py::test_one_whose_loop_stands_still_gives_its_office_up"
    ],
    "the leader loses its connection to ZooKeeper": [
        f"{HA}test_fault_3_cuts.py::test_a_leader_without_zookeeper",
        f"{HA}test_election.py::test_an_interrupted_leader_pauses_at_once_and_goes_on_in_the_same_epoch",
    ],
    "the leader loses its connections to the TaskManagers": [
        f"{HA}test_fault_3_cuts.py::test_a_leader_without_taskmanagers"
    ],
    "all JobManagers are gone": [
        f"{INTEGRATION}test_fault_2_jobmanager.py::test_tasks_go_on_while_the_jobmanager_is_away",
        f"{HA}test_fault_6_together.py::test_ghosts_that_return_after_the_time_limit_end",
    ],
    "the leader's job store doesn't answer": [
        "tests/unit/jobmanager/service/test_terms.py::test_a_store_that_hangs_in_office_is_left_to_another_one",
        "tests/unit/jobmanager/service/test_terms.py::test_a_store_that_hangs_at_the_start_is_left_to_another_one",
        "tests/unit/jobmanager/service/test_terms.py::test_where_there_is_nobody_else_a_hanging_store_is_waited_for",
    ],
    "a JobManager ends at its start": [
        f"{HA}test_shared_store.py::test_storage_that_is_not_there_is_said",
        "tests/unit/jobmanager/service/test_terms.py::test_a_damaged_record_ends_the_jobmanager",
        "tests/unit/jobmanager/service/test_terms.py::test_what_does_not_answer_is_asked_again",
        "tests/unit/jobmanager/store/contract_suite.py::StoreContract::test_all_damaged_records_are_named_with_what_to_do",
    ],
    "a worker process dies": [
        f"{INTEGRATION}test_fault_1_kills.py::test_only_the_region_of_the_killed_worker_restarts"
    ],
    "a TaskManager dies": [
        f"{INTEGRATION}test_fault_1_kills.py::test_twenty_kills_lose_nothing_and_double_nothing",
        f"{INTEGRATION}test_region.py::test_the_other_region_goes_on_and_slots_are_used_again",
    ],
    "too few slots are left": [
        f"{INTEGRATION}test_region.py::test_with_too_few_slots_it_waits_and_says_so",
        f"{INTEGRATION}test_fault_5_refusals.py::test_too_few_slots_are_waited_for_and_then_the_job_fails",
    ],
    "a TaskManager is frozen": [f"{HA}test_fault_8_frozen_taskmanager.py::test_it_wakes_up_among_strangers"],
    "a TaskManager gets SIGTERM": [
        f"{INTEGRATION}test_leaving.py::test_its_tasks_go_on_elsewhere_with_hardly_a_pause",
        f"{INTEGRATION}test_leaving.py::test_without_room_elsewhere_it_ends_with_its_grace",
    ],
    "two TaskManagers lose each other": [
        f"{INTEGRATION}test_cut_cable.py::test_the_cable_between_two_taskmanagers_is_cut_and_mended",
        f"{INTEGRATION}test_cut_cable.py::test_a_host_without_a_cable_is_replaced",
    ],
    "user code raises": [f"{INTEGRATION}test_fault_4_user_code.py::test_a_job_restarts_by_its_strategy_and_says_why"],
    "a server dies": [f"{HA}test_fault_4_zookeeper.py::test_servers_die_sessions_expire_and_disks_are_full"],
    "the quorum is lost": [f"{HA}test_fault_4_zookeeper.py::test_the_quorum_is_lost_for_twenty_seconds"],
    "all sessions expire": [f"{HA}test_election.py::test_all_sessions_that_expire_at_once_leave_one_leader"],
    "a server's disk is full": [f"{HA}test_ensemble.py::test_a_leader_whose_disk_is_full_is_replaced"],
    "a server refuses its own log": [
        f"{HA}test_ensemble.py::test_a_server_whose_log_lacks_a_proposal_is_emptied_and_takes_what_the_others_have"
    ],
    "its data are lost": [
        f"{HA}test_shared_store.py::test_where_zookeepers_data_are_lost_nothing_is_deleted_and_the_epoch_grows",
        f"{HA}test_recover.py::test_a_job_goes_on_from_the_storage_directory_alone",
    ],
    "the checkpoint storage doesn't answer": [
        "tests/stories/core/timeout.txt",
        f"{INTEGRATION}test_object_storage.py::test_an_outage_of_a_while_is_not_noticed",
    ],
    "it is full, or refuses": [
        f"{INTEGRATION}test_fault_3_storage.py::test_a_full_disk_fails_the_checkpoint_and_not_the_job"
    ],
    "it lets an ended job's data not be deleted": [
        "tests/unit/jobmanager/core/test_ending.py::TestWhatStays::test_the_record_stays_until_the_storage_lets_its_data_go",
        "tests/unit/jobmanager/service/test_carrier.py::test_whether_a_jobs_data_are_gone_is_told",
    ],
    "a checkpoint is damaged": [
        f"{INTEGRATION}test_fault_3_storage.py::test_a_job_whose_sink_commits_fails_and_names_the_file_and_the_older_ones",
        f"{INTEGRATION}test_fault_3_storage.py::test_a_job_that_commits_nothing_goes_on_from_an_older_one",
    ],
    "the job store is full": [
        "tests/unit/jobmanager/service/test_faults.py::test_a_job_that_cannot_be_stored_is_not_accepted",
        f"{INTEGRATION}cli/test_cluster_verbs.py::test_a_job_whose_cancel_cannot_be_stored_goes_on_and_that_is_said",
    ],
    "one disk holds the job store and the checkpoints, and is full": [
        f"{INTEGRATION}test_fault_3_storage.py::test_a_full_disk_fails_the_checkpoint_and_not_the_job",
        f"{INTEGRATION}cli/test_cluster_verbs.py::test_a_job_whose_cancel_cannot_be_stored_goes_on_and_that_is_said",
    ],
    "a new version of Millstream or Python": [
        "tests/unit/jobmanager/service/test_sessions.py::test_a_registration_that_cannot_be_taken_is_refused_in_words",
        f"{INTEGRATION}test_fault_5_refusals.py::test_a_program_of_another_python_is_refused",
    ],
    "other certificates": [
        f"{INTEGRATION}security/test_cluster.py::test_what_is_renewed_serves_the_next_connections_and_stops_nothing"
    ],
    "another token": ["tests/unit/jobmanager/service/test_guard.py::test_each_token_is_served_until_it_is_taken_out"],
    "moving ZooKeeper": [f"{INTEGRATION}cli/test_cluster_verbs.py::test_a_savepoint_a_stop_and_a_start_from_it"],
    "another parallelism": [f"{INTEGRATION}test_rescale.py::test_a_stopped_job_goes_on_with_other_parallelisms"],
}
RULED = {
    "the leader dies (killed, out of memory, its host is gone)": [
        "high-availability.zookeeper.client.session-timeout",
    ],
    "the leader loses its connections to the TaskManagers": ["heartbeat.timeout"],
    "all JobManagers are gone": ["taskmanager.leader-absence-timeout"],
    "too few slots are left": ["slot.request.timeout"],
    "a TaskManager is frozen": ["heartbeat.timeout"],
    "a TaskManager gets SIGTERM": ["taskmanager.shutdown-timeout"],
    "two TaskManagers lose each other": ["taskmanager.network.peer-timeout"],
    "the checkpoint storage doesn't answer": [
        "execution.checkpointing.tolerable-failed-checkpoints",
        "execution.checkpointing.timeout",
    ],
    "it lets an ended job's data not be deleted": ["jobstore.expiration-time"],
}
"""Which lines say a time or a number by its option and default."""
NOT_OURS = {
    *("terminationGracePeriodSeconds", "autopurge", "dataDir", "dataLogDir", "myid", "version-2"),
    LACKS_A_PROPOSAL,
}
"""Words of Kubernetes and ZooKeeper."""


def test_each_line_is_shown() -> None:
    assert [*SHOWN] == LINES


@pytest.mark.parametrize("test", [test for tests in SHOWN.values() for test in tests])
def test_what_shows_it_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert (ROOT / file).exists()
    assert not name or name in names(ROOT / file)


def ruled(text: str) -> list[tuple[str, str]]:
    """Options and the values beside them: "`key` (value)" or "`key`, value"."""
    return re.findall(r"`([a-z-]+(?:\.[a-z-]+)+)`(?: \(|, )(\d+(?: \w+)?)", text)


def test_each_time_is_ruled_by_its_option() -> None:
    found = {what: [key for key, _ in ruled(line)] for what, line in TABLES.items()}
    assert {what: keys for what, keys in found.items() if keys} == RULED


@pytest.mark.parametrize(("key", "value"), sorted(set(ruled(TEXT))))
def test_its_default_is_that_of_the_table(key: str, value: str) -> None:
    option = TABLE.find(key)
    assert option is not None
    assert option.parser.parse(value) == option.default


@cache
def said() -> str:
    """All strings of the packages that a user installs; docstrings too, which no log has words in common with."""
    files = [file for package in ROOT.glob("*/millstream*") for file in package.rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize("quoted", sorted({*re.findall(r"`([^`]+)`", TEXT)} - NOT_OURS))
def test_what_it_quotes_is_said(quoted: str) -> None:
    if quoted.startswith("millstream "):
        _, verb, *words = quoted.split()
        assert verb in VERBS
        assert [word for word in words if word.startswith("-") and word not in said()] == []
    elif re.fullmatch(r"[a-z-]+(\.[a-z-]+)+", quoted):
        assert TABLE.find(quoted) is not None
    else:
        pieces = re.split(r"\.\.\.|\b[NM]\b", quoted)
        assert [piece for piece in pieces if piece.strip() not in said()] == []
