"""`deploy.yml` under act, with real engines: from a merge to two environments on a Swarm."""

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from act.github import GitHub, github
from act.runs import Run
from conftest import Bake
from engine.engines import Engine, engine, registry
from engine.images import load_haproxy, load_python
from engine.network import network
from engine.swarm import join, reachable
from support import needs

pytestmark = [pytest.mark.slow, pytest.mark.engines]

WORKFLOW = "deploy.yml"
WHOLE = ("image", "attest", "rollout", "release", "tell")
PORTS = {"staging": 8081, "production": 8082}
SSH = """#!/bin/sh
# OpenSSH looks for the home directory in the table of users; on GitHub's machines that is also $HOME.
exec {ssh} -F /dev/null -i "$HOME/.ssh/servers" -o UserKnownHostsFile="$HOME/.ssh/known_hosts" "$@"
"""


@dataclass(frozen=True)
class Place:
    """A GitHub whose repository is deployed to a Swarm, and the addresses of the Swarm's gateways."""

    hub: GitHub
    docker: Engine
    manager: Engine
    addresses: list[str]

    def gateways(self, environment: str) -> list[str]:
        return [f"{address}:{PORTS[environment]}" for address in self.addresses]


@contextmanager
def placed(work: Path, swarm: Path, images: Path, folder: Path) -> Iterator[Place]:
    """Everything that a deployment needs: two servers, a registry, the machine that builds, and the repository.

    `work` has three champions; what a project that is deployed to a Swarm has beside, is in `swarm`.
    """
    with (
        network(2) as lan,
        registry(lan) as host,
        engine(lan) as docker,
        engine(lan, 0) as manager,
        engine(lan, 1) as second,
        reachable(manager) as login,
    ):
        load_python(docker, images / "python.tar", named_in(swarm / "Dockerfile", r"^ARG BASE=(\S+)$"))
        for server in (manager, second):
            load_haproxy(
                server, images / "haproxy.tar", named_in(swarm / "deploy/swarm/stack.yaml", r"image: (haproxy\S+)")
            )
        join([manager, second])
        for name in ("github", "environments"):
            (folder / name).mkdir(parents=True)
        with github(folder / "github", work, folder / "environments") as hub:
            program = hub.bin / "ssh"
            program.write_text(SSH.format(ssh=needs("ssh", "install openssh-client")), encoding="utf-8")
            program.chmod(0o755)
            hub.environment |= docker.variables
            hub.secrets["DEPLOY_SSH_KEY"] = login.key
            hub.variables["DEPLOY_KNOWN_HOSTS"] = login.known_hosts
            with hub.working_on("main", "Deployed to a Swarm") as clone:
                take_over(clone, swarm, f"{host}/{hub.repository}", login.url, manager.address)
            yield Place(hub, docker, manager, [manager.address, second.address])
    shutil.rmtree(folder / "environments")


def named_in(file: Path, pattern: str) -> str:
    """What a file names."""
    found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, file
    return found[1]


def take_over(clone: Path, swarm: Path, image: str, server: str, address: str) -> None:
    """Make a project that only publishes its image one that is deployed to a Swarm."""
    for name in ("deploy", ".github"):
        shutil.copytree(swarm / name, clone / name, dirs_exist_ok=True)
    params = clone / "params.yaml"
    text = params.read_text(encoding="utf-8")
    own = yaml.safe_load(text)["deploy"]
    places = {name: {"server": server, "url": f"http://{address}:{port}"} for name, port in PORTS.items()}
    own |= {"target": "swarm", "image": image, "environments": places}
    own["verify"] |= {"seconds": 2}
    params.write_text(text[: text.index("deploy:\n")] + json.dumps({"deploy": own})[1:-1] + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def place(champions: Path, bake: Bake, base_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A project with three champions, to be deployed."""
    folder = tmp_path_factory.mktemp("deployed")
    with placed(champions.with_name("flight-delays"), bake(deploy="swarm"), base_images, folder) as place:
        yield place


def test_from_a_merge_to_production(place: Place) -> None:
    """A champion is built, verified, published, and rolled out to staging and then to production of two servers."""
    hub = place.hub
    run = hub.push(WORKFLOW)
    assert ran(run) == dict.fromkeys(WHOLE, "success"), run.log
    assert_live(place, 3)
    assert [release["tag_name"] for release in hub.state["releases"]] == ["champion-3"]
    assert "Model card" in hub.state["releases"][0]["body"]
    assert hub.issues() == []


def ran(run: Run) -> dict[str, str]:
    """The jobs that were not skipped."""
    return {name: result for name, result in run.results.items() if result != "skipped"}


def assert_live(place: Place, version: int) -> None:
    """Both environments say that they run this champion, at both servers, and both replicas have its image."""
    for environment in PORTS:
        for gateway in place.gateways(environment):
            with urllib.request.urlopen(f"http://{gateway}/model", timeout=10) as response:
                assert json.load(response)["version"] == version, gateway
        tasks = ["service", "ps", f"flight-delays-{environment}_model", "--filter", "desired-state=running"]
        images = place.manager.docker(*tasks, "--no-trunc", "--format", "{{.Image}}").split()
        assert images == [image_of(place, environment)] * 2


def image_of(place: Place, environment: str) -> str:
    """The image that an environment is to run, by its digest."""
    form = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
    found = place.manager.docker("service", "inspect", f"flight-delays-{environment}_model", "--format", form).strip()
    assert "@sha256:" in found
    return found
