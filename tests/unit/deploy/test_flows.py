"""Who may talk to whom: what a cluster needs, and no more. A connection needs two rules: one that lets it out, and one
that lets it in.
"""

from collections.abc import Mapping
from itertools import product

import pytest

from tests.support.manifests import (
    NAME_SERVERS,
    Document,
    client_pod,
    containers,
    labels_of,
    of_kind,
    selects,
    workloads,
)

ELSEWHERE = "elsewhere"
"""An address that no pod of the cluster has: the node's, the name server's, the Internet's."""

REQUIRED = {
    "session": [
        ("taskmanager", "jobmanager", "jobmanager"),
        ("client", "jobmanager", "jobmanager"),
        ("taskmanager", "taskmanager", "data"),
        ("jobmanager", "zookeeper", "clients"),
        ("taskmanager", "zookeeper", "clients"),
        ("zookeeper", "zookeeper", "peers"),
        ("zookeeper", "zookeeper", "election"),
    ],
    "application": [
        ("application", "application", "jobmanager"),
        ("application", "application", "data"),
    ],
}
"""From whom, to whom, to which port by its name in the container."""

Flow = tuple[str, str, str, int]
"""From whom, to whom, by which protocol, to which port."""

BOTH = pytest.mark.parametrize("overlay", REQUIRED)


def everybody(overlay: str) -> dict[str, Mapping[str, str]]:
    """Whose connections there could be, with their labels."""
    found: dict[str, Mapping[str, str]] = {one["metadata"]["name"]: labels_of(one) for one in workloads(overlay)}
    client = client_pod()["metadata"]
    if client["namespace"] == of_kind(overlay, "Namespace")[0]["metadata"]["name"]:
        found[client["name"]] = client["labels"]
    return {**found, ELSEWHERE: {}}


def meets(peer: Document, who: str, labels: Mapping[str, str]) -> bool:
    """Whether one peer of a rule is this one."""
    assert peer.keys() == {"podSelector"}, f"this test doesn't know {peer}"
    return who != ELSEWHERE and selects(peer["podSelector"], labels)


def allowed(overlay: str, direction: str) -> set[Flow]:
    """All that some rule of this direction, `ingress` or `egress`, lets pass. Whom no policy selects may do anything:
    everybody must be selected.
    """
    people, flows = everybody(overlay), set[Flow]()
    for own, other in product(set(people) - {ELSEWHERE}, people):
        policies = [
            one["spec"]
            for one in of_kind(overlay, "NetworkPolicy")
            if direction.capitalize() in one["spec"]["policyTypes"] and selects(one["spec"]["podSelector"], people[own])
        ]
        assert policies, f"{own} isn't restricted"
        for rule in (rule for policy in policies for rule in policy.get(direction, ())):
            peers = rule.get("to" if direction == "egress" else "from")
            if peers is None or any(meets(peer, other, people[other]) for peer in peers):
                way = (own, other) if direction == "egress" else (other, own)
                flows |= {(*way, port["protocol"], port["port"]) for port in rule["ports"]}
    return flows


def required(overlay: str) -> set[Flow]:
    """Between pods."""
    ports = {
        (one.workload["metadata"]["name"], *port): port[1]
        for one in containers(overlay)
        for port in one.ports().items()
    }
    by_name = {(workload, name): number for workload, name, number in ports}
    return {(source, target, "TCP", by_name[target, port]) for source, target, port in REQUIRED[overlay]}


def probed(overlay: str) -> dict[str, int]:
    """The port of each workload that has one for probes."""
    found = [(one.workload["metadata"]["name"], one.ports().get("health")) for one in containers(overlay)]
    return {name: port for name, port in found if port is not None}


@BOTH
def test_everybody_is_let_out_to_whom_he_needs_and_to_nobody_else(overlay: str) -> None:
    """The name server may be anywhere, since it differs from cluster to cluster where it is."""
    people = everybody(overlay)
    names = set(product(set(people) - {ELSEWHERE}, people, ("UDP", "TCP"), NAME_SERVERS))
    assert allowed(overlay, "egress") == required(overlay) | names


@BOTH
def test_everybody_is_let_in_by_whom_he_needs_and_by_nobody_else(overlay: str) -> None:
    """Probes come from anywhere, since a policy has no name for the node."""
    probes = {(who, name, "TCP", port) for name, port in probed(overlay).items() for who in everybody(overlay)}
    assert probed(overlay)
    assert allowed(overlay, "ingress") == required(overlay) | probes
