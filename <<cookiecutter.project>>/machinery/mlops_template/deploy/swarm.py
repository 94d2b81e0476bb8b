"""Docker Swarm: a stack is handed over, the engine updates it task by task, and takes it back where that fails.

The manager is reached by Docker's own transport over SSH: nothing is installed there but the engine.
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..integrations.process import lines_of_json, run
from ..settings.project import load_project

STACK = Path("deploy/swarm/stack.yaml")
GATEWAY = STACK.with_name("haproxy.cfg")
SERVICES = ("model", "gateway")
SECONDS = 900
"""The longest that a rollout may take."""
STANDSTILL = 5
"""Tasks that may end before their time, where there is no earlier image to which the engine goes back."""
ENDED = ("completed", "rollback_completed", "paused", "rollback_paused")


@dataclass(frozen=True)
class Swarm:
    """The stack of an environment."""

    environment: str
    server: str
    port: int
    """That each server's gateway listens on."""

    @property
    def stack(self) -> str:
        """Its name there."""
        return f"{load_project().slug}-{self.environment}"

    def docker(self, *arguments: str, image: str = "") -> str:
        """A command of the manager's engine, with what the stack file leaves open."""
        gateway = f"{self.environment}-{hashlib.sha256(GATEWAY.read_bytes()).hexdigest()[:12]}" if image else ""
        return run(
            "docker",
            *arguments,
            seconds=SECONDS,
            DOCKER_HOST=self.server,
            IMAGE=image,
            PORT=str(self.port),
            GATEWAY=gateway,
        )

    def running(self) -> str | None:
        """The image that is rolled out there, None where there is none."""
        service = self.service("model")
        return image_of(service["Spec"]) if service else None

    def previous(self) -> str | None:
        """The image before that one."""
        service = self.service("model")
        earlier = image_of(service["PreviousSpec"]) if service and service.get("PreviousSpec") else None
        return earlier if service and earlier and not same(earlier, image_of(service["Spec"])) else None

    def service(self, name: str) -> dict[str, Any] | None:
        """What the engine knows of a service, None where there is none."""
        name = f"{self.stack}_{name}"
        names = self.docker("service", "ls", "--filter", f"name={name}", "--format", "{{.Name}}").splitlines()
        if name not in names:
            return None
        (inspected,) = lines_of_json(self.docker("service", "inspect", name, "--format", "{{json .}}"))
        return inspected

    def apply(self, image: str) -> None:
        """Roll an image out and wait until all of it runs. Raises ProjectError when it does not."""
        # Names are resolved where they change: a gateway is not restarted because its tag got another image meanwhile.
        options = ("--compose-file", str(STACK), "--with-registry-auth", "--prune", "--resolve-image", "changed")
        before = self.update_of("gateway").get("StartedAt")
        self.docker("stack", "deploy", *options, self.stack, image=image)
        end, reported = time.monotonic() + SECONDS, ""
        while time.monotonic() < end:
            state = self.state(image) or self.gateway_since(before)
            if state is None:
                return
            if state != reported:
                print(f"{self.environment}: {state}", flush=True)
                reported = state
            time.sleep(1)
        raise ProjectError(f"not rolled out within {SECONDS // 60} minutes: {reported}{self.why()}")

    def state(self, image: str) -> str | None:
        """How far the rollout is, None when it is through. Raises ProjectError when the engine gave it up."""
        service = self.service("model")
        if service is None:
            return "waiting for the manager"
        now = service.get("UpdateStatus", {}).get("State")
        if now in ENDED and (now != "completed" or same(image_of(service["Spec"]), image)):
            if not same(image_of(service["Spec"]), image):
                raise ProjectError(f"the engine took it back{self.why()}")
            if now.endswith("paused"):
                raise ProjectError(f"the engine gave up ({service['UpdateStatus'].get('Message', now)}){self.why()}")
        elif now is not None:
            return f"{now.replace('_', ' ')}: {self.counted()}"
        if not service.get("PreviousSpec") and len(self.failures()) > STANDSTILL:
            raise ProjectError(f"it does not start{self.why()}")
        return None if self.complete(image) else self.counted()

    def gateway_since(self, before: str | None) -> str | None:
        """How far an update of the gateway is that is not the one of before; as `state` otherwise."""
        update = self.update_of("gateway")
        now = str(update.get("State"))
        if update.get("StartedAt") == before or now == "completed":
            return None
        if now in ENDED:
            raise ProjectError(f"the engine took the gateway back ({update.get('Message', now)})")
        return f"gateway {now.replace('_', ' ')}: {self.counted()}"

    def update_of(self, name: str) -> dict[str, str]:
        """The last update of a service: `State`, `StartedAt`, `Message`; empty where there was none."""
        status: dict[str, str] = (self.service(name) or {}).get("UpdateStatus", {})
        return status

    def complete(self, image: str) -> bool:
        """Whether every service has all of its tasks, and all of the model's run an image."""
        command = ("service", "ps", f"{self.stack}_model", "--filter", "desired-state=running", "--no-trunc")
        tasks = lines_of_json(self.docker(*command, "--format", "{{json .}}"))
        counts = all(wanted == there and wanted != "0" for there, wanted in self.replicas().values())
        return counts and all(same(task["Image"], image) for task in tasks)

    def counted(self) -> str:
        """How many tasks run, of how many, for each service."""
        return ", ".join(f"{name} {there} of {wanted}" for name, (there, wanted) in self.replicas().items())

    def replicas(self) -> dict[str, tuple[str, str]]:
        """The tasks that run and that are wanted, by service."""
        listed = self.docker("service", "ls", "--filter", f"name={self.stack}_", "--format", "{{json .}}")
        counts = {
            one["Name"].removeprefix(f"{self.stack}_"): one["Replicas"].split()[0] for one in lines_of_json(listed)
        }
        replicas_of = {name: counts.get(name, "0/?").partition("/") for name in SERVICES}
        return {name: (there, wanted) for name, (there, _, wanted) in replicas_of.items()}

    def failures(self) -> list[str]:
        """What the tasks of the model died of, the last one first."""
        command = ("service", "ps", f"{self.stack}_model", "--no-trunc", "--format", "{{json .}}")
        return [f"{task['Error']} on {task['Node']}" for task in lines_of_json(self.docker(*command)) if task["Error"]]

    def why(self) -> str:
        """What the last task died of; one that only was not healthy has ended in order, and leaves its words."""
        failures = self.failures()
        hint = f"no replica stayed healthy; `docker --host {self.server} service logs {self.stack}_model` tells more"
        return f": {failures[0] if failures else hint}"


def image_of(specification: dict[str, Any]) -> str:
    """The image that a service is to run."""
    return str(specification["TaskTemplate"]["ContainerSpec"]["Image"])


def same(one: str, other: str) -> bool:
    """Whether two names are of one image; the engine adds the digest to a name that has none."""
    if "@" in one and "@" in other:
        return one.partition("@")[2] == other.partition("@")[2]
    return one.partition("@")[0] == other.partition("@")[0]
