"""The manifests for Kubernetes: rendered, valid for several of its versions, and as restricted as pods can be."""

import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from conftest import Bake
from support import run

VERSIONS = ("1.29", "1.32", "1.34")
IMAGE = f"ghcr.io/o/p@sha256:{'1' * 64}"
KINDS = {
    "Namespace",
    "ServiceAccount",
    "Service",
    "Deployment",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "NetworkPolicy",
}
ENVIRONMENTS = ("staging", "production")
Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def project(bake: Bake) -> Path:
    return bake(project="Flight_delays.v2", deploy="kubernetes")


def render(project: Path, folder: str) -> dict[str, Manifest]:
    """What kustomize makes of a folder, by kind."""
    done = subprocess.run(["kubectl", "kustomize", project / folder], stdout=subprocess.PIPE, check=True)
    manifests = list(yaml.safe_load_all(done.stdout))
    found = {manifest["kind"]: manifest for manifest in manifests}
    assert len(found) == len(manifests)
    return found


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def manifests(request: pytest.FixtureRequest, project: Path) -> dict[str, Manifest]:
    """Those of an environment, by kind."""
    return render(project, f"deploy/kubernetes/overlays/{request.param}")


@pytest.fixture
def pod(manifests: dict[str, Manifest]) -> Manifest:
    """What the deployment makes pods of."""
    specification: Manifest = manifests["Deployment"]["spec"]["template"]["spec"]
    return specification


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_them(manifests: dict[str, Manifest], version: str) -> None:
    """Strictly: a field that the schema does not know is an error."""
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_field_would_be_noticed(manifests: dict[str, Manifest]) -> None:
    wrong = json.loads(json.dumps(manifests["Deployment"]))
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_all_that_is_needed_in_a_namespace_of_its_own(manifests: dict[str, Manifest]) -> None:
    assert manifests.keys() == KINDS
    (name,) = {manifest["metadata"].get("namespace", "") for manifest in manifests.values()} - {""}
    assert manifests["Namespace"]["metadata"]["name"] == name
    assert name in ("flight-delays-v2-staging", "flight-delays-v2-production")


def test_they_find_each_other(manifests: dict[str, Manifest], pod: Manifest) -> None:
    """By labels that the pods of this environment bear and no others."""
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] in ENVIRONMENTS
    selectors = [
        manifests["Deployment"]["spec"]["selector"]["matchLabels"],
        manifests["Service"]["spec"]["selector"],
        manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert selectors == [labels] * len(selectors)
    target = manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", manifests["Deployment"]["metadata"]["name"])
    assert "replicas" not in manifests["Deployment"]["spec"], "applied again, it would undo what the load asked for"
    (port,) = manifests["Service"]["spec"]["ports"]
    (named,) = pod["containers"][0]["ports"]
    assert port["targetPort"] == named["name"]
    assert pod["serviceAccountName"] == manifests["ServiceAccount"]["metadata"]["name"]


def test_the_restricted_pod_security_standard_is_met_and_enforced(
    manifests: dict[str, Manifest], pod: Manifest
) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards, and what it does not ask for yet."""
    assert manifests["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "ephemeralContainers", "initContainers"} & pod.keys()
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True and security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        own = container["securityContext"]
        assert own == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not any("hostPort" in port for port in container["ports"])
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
    assert [set(volume) - {"name"} for volume in pod["volumes"]] == [{"emptyDir"}]
    assert pod["automountServiceAccountToken"] is False
    assert manifests["ServiceAccount"]["automountServiceAccountToken"] is False


def test_the_pod_runs_as_the_user_of_the_image(project: Path, pod: Manifest) -> None:
    security = pod["securityContext"]
    user = f"USER {security['runAsUser']}:{security['runAsGroup']}\n"
    assert user in (project / "Dockerfile").read_text(encoding="utf-8")


def test_nothing_goes_out_and_only_the_one_port_is_open(manifests: dict[str, Manifest]) -> None:
    policy = manifests["NetworkPolicy"]["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert "egress" not in policy
    (ingress,) = policy["ingress"]
    assert ingress["ports"] == [{"port": "http"}]


def test_no_request_is_lost_in_a_rollout(manifests: dict[str, Manifest], pod: Manifest) -> None:
    """A new pod is ready before an old one goes, and that one answers until nobody asks it any more."""
    strategy = manifests["Deployment"]["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (container,) = pod["containers"]
    assert container["startupProbe"]["httpGet"]["path"] == container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health", "one that drains must not be killed"
    (drain,) = [int(one["value"]) for one in container["env"] if one["name"] == "DRAIN_SECONDS"]
    assert drain < pod["terminationGracePeriodSeconds"]
    startup = container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"]
    assert startup < manifests["Deployment"]["spec"]["progressDeadlineSeconds"] < 600


def test_production_is_never_a_single_pod(project: Path) -> None:
    found = render(project, "deploy/kubernetes/overlays/production")
    assert found["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2
    assert found["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_image_is_set_by_its_digest(project: Path, environment: str) -> None:
    """As `deploy rollout` applies it."""
    asked = (
        f"from mlops_template.deploy.kubernetes import overlay_with; print(overlay_with({environment!r}, {IMAGE!r}))"
    )
    folder = run("uv", "run", "python", "-c", asked, cwd=project).splitlines()[-1]
    (container,) = render(project, folder)["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGE
