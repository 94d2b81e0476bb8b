"""Kubernetes: the manifests of an environment are applied with the image set, and undone where they do not come up."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..integrations.process import CommandFailed, run
from ..settings.project import load_project

OVERLAYS = Path("deploy/kubernetes/overlays")
RENDERED = Path(".dvc/tmp/kubernetes")
DEPLOYMENT = "deployment/model"
IMAGE = "model"
"""What the manifests call the image, to be replaced."""
SECONDS = 600
"""The longest that a rollout may take."""


@dataclass(frozen=True)
class Kubernetes:
    """The environment's namespace in a cluster; `server` is the context of the kubeconfig."""

    environment: str
    server: str

    @property
    def namespace(self) -> str:
        """As in the overlay."""
        return f"{load_project().slug}-{self.environment}"

    def kubectl(self, *arguments: str) -> str:
        """A command in the namespace."""
        place = ("--context", self.server, "--namespace", self.namespace)
        return run("kubectl", *place, *arguments, seconds=SECONDS + 30)

    def running(self) -> str | None:
        """The image that is rolled out there, None where there is none."""
        deployment = self.deployment()
        return image_of(deployment["spec"]) if deployment else None

    def deployment(self) -> dict[str, Any] | None:
        """What the cluster knows of it, None where there is none."""
        listed = self.kubectl("get", DEPLOYMENT, "--ignore-not-found", "--output", "json")
        return dict(json.loads(listed)) if listed else None

    def previous(self) -> str | None:
        """The image before that one, by the revisions that the cluster keeps."""
        listed = json.loads(
            self.kubectl("get", "replicasets", "--selector", "app.kubernetes.io/name=model", "--output", "json")
        )
        now = self.running()
        sets = sorted(listed["items"], key=revision)
        earlier = [image_of(one["spec"]) for one in sets if image_of(one["spec"]) != now]
        return earlier[-1] if earlier else None

    def apply(self, image: str) -> None:
        """Roll an image out and wait until all of it runs. Raises ProjectError when it does not, after an undo."""
        folder = overlay_with(self.environment, image)
        before = self.deployment()
        run("kubectl", "--context", self.server, "apply", "--kustomize", str(folder), seconds=SECONDS)
        try:
            self.kubectl("rollout", "status", DEPLOYMENT, f"--timeout={SECONDS}s")
        except CommandFailed as fault:
            why, now = self.why(), self.deployment()
            if before and now and revision(now) != revision(before):
                self.kubectl("rollout", "undo", DEPLOYMENT)
                self.kubectl("rollout", "status", DEPLOYMENT, f"--timeout={SECONDS}s")
                raise ProjectError(f"it did not come up and was undone{why}") from None
            raise ProjectError(f"it did not come up{why or f': {fault}'}") from None

    def why(self) -> str:
        """What the containers that are not ready wait for or died of."""
        pods = json.loads(self.kubectl("get", "pods", "--selector", "app.kubernetes.io/name=model", "--output", "json"))
        causes = [reason for pod in pods["items"] for reason in reasons(pod)]
        return f": {causes[0]}" if causes else ""


def overlay_with(environment: str, image: str) -> Path:
    """A kustomization on top of the environment's, which sets the image; nothing under version control is touched."""
    folder = RENDERED / environment
    folder.mkdir(parents=True, exist_ok=True)
    base = Path(*[".."] * len(folder.parts)) / OVERLAYS / environment
    name, _, digest = image.partition("@")
    tagged, _, tag = name.rpartition(":")
    if not digest and (not tagged or "/" in tag):
        raise ProjectError(f"{image} names no tag and no digest: which image it is would change under way")
    chosen = {"newName": name if digest else tagged, **({"digest": digest} if digest else {"newTag": tag})}
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [base.as_posix()],
        "images": [{"name": IMAGE, **chosen}],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")
    return folder


def image_of(specification: dict[str, Any]) -> str:
    """The image of a deployment's or replica set's only container."""
    return str(specification["template"]["spec"]["containers"][0]["image"])


def revision(thing: dict[str, Any]) -> int:
    """The number that the cluster gave to a deployment's or a replica set's content."""
    return int(thing["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


def reasons(pod: dict[str, Any]) -> list[str]:
    """Why the containers of a pod are not ready."""
    causes = []
    for container in pod.get("status", {}).get("containerStatuses", []):
        for state in (container.get("lastState", {}), container.get("state", {})):
            cause = state.get("terminated") or state.get("waiting")
            if not container["ready"] and cause:
                causes.append(" ".join(str(cause.get("message") or cause["reason"]).split())[:300])
    return causes
