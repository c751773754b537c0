"""Every overlay is what the API server takes, and keeps to what a cluster's owner may expect."""

import kubernetes_validate
import pytest

from tests.support.manifests import (
    CONTAINERS,
    NAME_SERVERS,
    OVERLAYS,
    Container,
    container_named,
    containers,
    labels_of,
    named,
    of_kind,
    rendered,
    selects,
    workloads,
)

VERSIONS = ("1.33", "1.37")
"""The oldest that has all that is used here for good, and a new one."""

BOTH = pytest.mark.parametrize("overlay", OVERLAYS)


@pytest.fixture(params=CONTAINERS)
def container(request: pytest.FixtureRequest) -> Container:
    return container_named(request.param)


@BOTH
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_to_the_letter(overlay: str, version: str) -> None:
    for document in rendered(overlay):
        kubernetes_validate.validate(document, version, strict=True)


def test_the_table_of_containers_is_complete() -> None:
    assert {one.name for overlay in OVERLAYS for one in containers(overlay)} == set(CONTAINERS)


def test_a_field_that_there_is_not_is_found() -> None:
    (job,) = of_kind("application", "Job")
    misspelt = {**job, "spec": {**job["spec"], "sucessPolicy": {}}}
    with pytest.raises(kubernetes_validate.ValidationError, match="sucessPolicy"):
        kubernetes_validate.validate(misspelt, VERSIONS[-1], strict=True)


@BOTH
def test_all_objects_lie_in_the_namespace_that_is_made(overlay: str) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    name = namespace["metadata"]["name"]
    assert {document["metadata"].get("namespace", name) for document in rendered(overlay)} == {name}
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_overlays_share_no_namespace() -> None:
    """So to delete one doesn't delete what the other runs."""
    assert len({of_kind(overlay, "Namespace")[0]["metadata"]["name"] for overlay in OVERLAYS}) == len(OVERLAYS)


# ----------------------------------------------------------------------------------------- what pods may do


class TestContainers:
    def test_runs_as_somebody_who_may_nothing(self, container: Container) -> None:
        of_pod, own = container.pod["securityContext"], container.spec["securityContext"]
        assert of_pod["runAsNonRoot"] is True
        assert of_pod["runAsUser"] > 0
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(container.pod)

    def test_asks_the_api_server_for_nothing(self, container: Container) -> None:
        assert container.pod["automountServiceAccountToken"] is False
        assert container.pod["serviceAccountName"] == "millstream"
        assert of_kind(container.overlay, "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding") == []
        (account,) = of_kind(container.overlay, "ServiceAccount")
        assert account["automountServiceAccountToken"] is False

    def test_its_image_is_pinned(self, container: Container) -> None:
        tag = container.spec["image"].rpartition("/")[2].partition(":")[2]
        assert tag[0].isdigit()

    def test_says_what_it_needs_and_takes_no_more(self, container: Container) -> None:
        for bound in ("requests", "limits"):
            assert set(container.spec["resources"][bound]) == {"cpu", "memory"}

    def test_is_probed(self, container: Container) -> None:
        probes = {name for name in container.spec if name.endswith("Probe")}
        assert probes == ({"startupProbe", "livenessProbe", "readinessProbe"} if container.runs_on else set())

    def test_is_given_time_to_start_and_to_stall(self, container: Container) -> None:
        for name, least_s in (("startupProbe", 120), ("livenessProbe", 60)):
            if probe := container.spec.get(name):
                assert probe["periodSeconds"] * probe["failureThreshold"] >= least_s

    def test_no_variables_come_from_services(self, container: Container) -> None:
        """A service called millstream-x would set MILLSTREAM_X_PORT, which is no key, and no process would start."""
        assert container.pod["enableServiceLinks"] is False

    def test_what_it_writes_is_mounted_and_limited(self, container: Container) -> None:
        mounts = container.mounts()
        assert "emptyDir" in mounts["/tmp"]
        for volume in mounts.values():
            assert "hostPath" not in volume
            if "emptyDir" in volume:
                assert "sizeLimit" in volume["emptyDir"]

    def test_secrets_come_by_reference_as_files(self, container: Container) -> None:
        assert of_kind(container.overlay, "Secret") == []
        for variable in container.spec.get("env", ()):
            assert "secretKeyRef" not in variable.get("valueFrom", {})
            assert "PASSWORD" not in variable["name"]
        for volume in container.mounts().values():
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440
                assert "optional" not in volume["secret"]


# --------------------------------------------------------------------------------------- what surrounds them


def test_no_process_of_a_session_is_the_only_one_of_its_kind() -> None:
    """A second JobManager stands by, a TaskManager's tasks find another one, and two ZooKeepers of three decide."""
    replicas = {one["metadata"]["name"]: one["spec"]["replicas"] for one in workloads("session")}
    assert replicas.pop("taskmanager") >= 2
    assert replicas == {"jobmanager": 2, "zookeeper": 3}


@BOTH
def test_every_workload_has_a_disruption_budget_that_lets_one_go(overlay: str) -> None:
    budgets = of_kind(overlay, "PodDisruptionBudget")
    for workload in workloads(overlay):
        spec = workload["spec"]
        (budget,) = [one for one in budgets if selects(one["spec"]["selector"], labels_of(workload))]
        may_go = budget["spec"].get("maxUnavailable")
        if may_go is None:
            may_go = spec["parallelism"] - budget["spec"]["minAvailable"]
        assert may_go == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@BOTH
def test_pods_of_a_workload_keep_apart(overlay: str) -> None:
    for workload in workloads(overlay):
        pod = workload["spec"]["template"]["spec"]
        (rule,) = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert rule["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
        assert selects(rule["podAffinityTerm"]["labelSelector"], labels_of(workload))
        (spread,) = pod["topologySpreadConstraints"]
        assert spread["topologyKey"] == "topology.kubernetes.io/zone"
        assert selects(spread["labelSelector"], labels_of(workload))


@BOTH
def test_nobody_talks_to_anybody_unless_a_policy_says_so(overlay: str) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    (default,) = [one for one in policies if one["metadata"]["name"] == "default-deny"]
    assert default["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for workload in workloads(overlay):
        own = [
            one
            for one in policies
            if one["metadata"]["name"] not in {"default-deny", "name-server", "probes"}
            and selects(one["spec"]["podSelector"], labels_of(workload))
        ]
        assert [one["spec"]["policyTypes"] for one in own] == [["Ingress", "Egress"]]
    for policy in policies:
        for direction in ("ingress", "egress"):
            for rule in policy["spec"].get(direction, ()):
                assert rule["ports"], "a rule without ports allows all of them"
                assert ("from" in rule or "to" in rule) or policy["metadata"]["name"] in {"probes", "name-server"}


@BOTH
def test_everybody_reaches_the_name_server_wherever_the_cluster_has_it(overlay: str) -> None:
    """In kube-system, on the node's network, or in openshift-dns, whose pods listen on 5353."""
    policy = named(overlay, "NetworkPolicy", "name-server")["spec"]
    assert policy["podSelector"] == {}
    (rule,) = policy["egress"]
    assert set(rule) == {"ports"}
    opened = {(port["protocol"], port["port"]) for port in rule["ports"]}
    assert opened == {(protocol, port) for protocol in ("UDP", "TCP") for port in NAME_SERVERS}


@BOTH
def test_every_selector_selects_somebody(overlay: str) -> None:
    """A label that was misspelt would leave a service without pods, and a policy without effect."""
    everybody = [*map(labels_of, workloads(overlay)), {"millstream-client": "true"}]
    selectors = [service["spec"]["selector"] for service in of_kind(overlay, "Service")]
    selected = [{"matchLabels": labels} for labels in selectors]
    selected += [budget["spec"]["selector"] for budget in of_kind(overlay, "PodDisruptionBudget")]
    for policy in of_kind(overlay, "NetworkPolicy"):
        selected.append(policy["spec"]["podSelector"])
        for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())):
            peers = (*rule.get("from", ()), *rule.get("to", ()))
            selected += [peer["podSelector"] for peer in peers if "podSelector" in peer]
    for selector in selected:
        assert any(selects(selector, labels) for labels in everybody), selector


def test_a_cluster_of_one_program_ends_with_it() -> None:
    """Pod 0 alone decides: its success ends the others, the program's failure does too."""
    (job,) = of_kind("application", "Job")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["successPolicy"]["rules"] == [{"succeededIndexes": "0"}]
    assert [one["restartPolicy"] for one in pod["initContainers"]] == ["Always"]
    assert [one["name"] for one in pod["containers"]] == ["program"]
    disrupted, failed = spec["podFailurePolicy"]["rules"]
    assert (disrupted["action"], disrupted["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert (failed["action"], failed["onExitCodes"]["containerName"]) == ("FailJob", "program")
    assert of_kind("application", "Deployment", "StatefulSet") == []
