"""The whole of a deployment on a Kubernetes cluster: `pytest tests/on_kind.py` where kind and Docker are.

It is no part of the other tests, since it makes a cluster of its own, whose images come from the internet.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from conftest import Bake
from support import cli, commit, git, needs, run

REGISTRY = "localhost:5001"
CLUSTER = """
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
containerdConfigPatches:
  - |-
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/containerd/certs.d"
"""
HOSTS = '[host."http://{registry}:5000"]\n'
NAMESPACE = "flight-delays-staging"
FAULTS = {
    "crash": "raise SystemExit('out of luck')",
    "slow": "Service.predict = lambda self, body, logged: time.sleep(9)",
}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The context of a cluster that fetches images from a registry on this machine."""
    folder = tmp_path_factory.mktemp("kind")
    needs("docker", "install it")
    kind, name = needs("kind", "https://kind.sigs.k8s.io"), f"deploy-{uuid4().hex[:6]}"
    registry = f"registry-of-{name}"
    (folder / "cluster.yaml").write_text(CLUSTER, encoding="utf-8")
    (folder / "hosts.toml").write_text(HOSTS.format(registry=registry), encoding="utf-8")
    try:
        docker("run", "--detach", "--name", registry, "--publish", f"127.0.0.1:{REGISTRY[-4:]}:5000", "registry:2")
        run(kind, "create", "cluster", "--name", name, "--config", "cluster.yaml", "--wait", "3m", cwd=folder)
        node = f"{name}-control-plane"
        certs = f"/etc/containerd/certs.d/{REGISTRY}"
        docker("exec", node, "mkdir", "-p", certs)
        docker("cp", str(folder / "hosts.toml"), f"{node}:{certs}/hosts.toml")
        docker("network", "connect", "kind", registry)
        yield f"kind-{name}"
    finally:
        run(kind, "delete", "cluster", "--name", name, cwd=folder, check=False)
        docker("rm", "--force", "--volumes", registry, check=False)


@pytest.fixture(scope="module")
def deployed(project: Path, bake: Bake, context: str) -> Iterator[Path]:
    """The default project, deployed to the cluster's staging."""
    manifests = bake(deploy="kubernetes")
    shutil.copytree(manifests / "deploy", project / "deploy", dirs_exist_ok=True)
    with proxy(context) as url:
        params = project / "params.yaml"
        text = params.read_text(encoding="utf-8")
        own = yaml.safe_load(text)["deploy"]
        own |= {"target": "kubernetes", "image": f"{REGISTRY}/my-org/flights"}
        own["environments"]["staging"] = {"server": context, "url": url}
        own["verify"] |= {"seconds": 3, "max_p95_ms": 2000}  # through the API server
        params.write_text(text[: text.index("deploy:\n")] + json.dumps({"deploy": own})[1:-1] + "\n", encoding="utf-8")
        commit(project, "Deployed to a cluster")
        yield project


@contextmanager
def proxy(context: str) -> Iterator[str]:
    """The address of the service, through the API server."""
    command = ["kubectl", "--context", context, "proxy", "--port", "8018"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        yield f"http://127.0.0.1:8018/api/v1/namespaces/{NAMESPACE}/services/model:http/proxy"
        process.terminate()


def test_it_is_rolled_out_broken_and_undone(deployed: Path, context: str) -> None:
    """As in the workflow: built, tried, published, rolled out, verified. What crashes and what is slow is undone."""
    publish(deployed)
    said = cli(deployed, "deploy", "rollout", "staging")
    assert "staging: " in said and "predicts as champion 1" in said
    good = image(context)
    assert good.startswith(f"{REGISTRY}/my-org/flights@sha256:")

    service = deployed / "machinery" / "mlops_template" / "serving" / "service.py"
    honest = service.read_text(encoding="utf-8")
    manifest = deployed / "deploy" / "kubernetes" / "base" / "deployment.yaml"
    text = manifest.read_text(encoding="utf-8")
    assert "progressDeadlineSeconds: 300" in text
    manifest.write_text(text.replace("progressDeadlineSeconds: 300", "progressDeadlineSeconds: 70"), encoding="utf-8")
    for kind, fault in FAULTS.items():
        planted = f'\n\nimport os\n\nif os.environ.get("DRAIN_SECONDS") == "10":\n    {fault}\n'
        service.write_text(honest + planted, encoding="utf-8")
        commit(deployed, f"What {kind} does")
        publish(deployed)
        failed = cli(deployed, "deploy", "rollout", "staging", check=False)
        assert "staging: champion 1 failed: " in failed, failed
        assert "champion 1 is back: " in failed, failed
        assert "predicts as champion 1" in failed, failed
        assert image(context) == good, kind
    service.write_text(honest, encoding="utf-8")

    pods = kubectl(context, "get", "pods", "--output", "jsonpath={.items[*].status.phase}").split()
    assert set(pods) == {"Running"}
    assert git(deployed, "log", "-1", "--format=%s") == "What slow does"


def publish(project: Path) -> None:
    """What the job `image` does."""
    for command in ("package", "image", "try", "publish"):
        cli(project, "deploy", command)


def image(context: str) -> str:
    """What the cluster is to run."""
    return kubectl(context, "get", "deployment/model", "--output", "jsonpath={.spec.template.spec.containers[0].image}")


def kubectl(context: str, *arguments: str) -> str:
    return run("kubectl", "--context", context, "--namespace", NAMESPACE, *arguments, cwd=Path("/")).strip()


def docker(*arguments: str, check: bool = True) -> str:
    return run("docker", *arguments, cwd=Path("/"), check=check).strip()
