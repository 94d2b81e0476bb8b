"""`deploy.yml` under act, with real engines: from a merge to two environments on a Swarm, and back again."""

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
from engine.client import Client, asking
from engine.engines import Engine, engine, registry
from engine.images import load_haproxy, load_python
from engine.network import network
from engine.swarm import join, reachable
from stored import champion, take_out
from support import git, needs

pytestmark = [pytest.mark.slow, pytest.mark.engines]

WORKFLOW = "deploy.yml"
WHOLE = ("image", "attest", "rollout", "release", "tell")
PORTS = {"staging": 8081, "production": 8082}
SERVICE = "machinery/mlops_template/serving/service.py"
FAULTS = {
    "crashes": "raise SystemExit('out of luck')",
    "is wrong": """return honest(self, body, logged).replace(b'"probability_1":0.', b'"probability_1":0.9')""",
    "is slow": "time.sleep(3)\n        return honest(self, body, logged)",
    "tires": "time.sleep(0.1 * (next(asked) >= 5))\n        return honest(self, body, logged)",
}
"""What is done in place of answering; the first one already when the service starts."""
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


def faulty(what: str) -> str:
    """What to add to the service, so that it misbehaves on the Swarm and nowhere before."""
    return f"""

import os

if os.environ.get("DRAIN_SECONDS") == "5":
    from itertools import count

    honest, asked = Service.predict, count()

    def planted(self: Service, body: bytes, logged: bool = True) -> bytes:
        {FAULTS[what]}

    Service.predict = planted
    {"planted(None, b'')" if what == "crashes" else ""}
"""


@pytest.fixture(scope="module")
def place(champions: Path, bake: Bake, base_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A project with three champions, to be deployed."""
    folder = tmp_path_factory.mktemp("deployed")
    with placed(champions.with_name("flight-delays"), bake(deploy="swarm"), base_images, folder) as place:
        yield place


# One life of a repository, told in order: each test begins where the one before it ended.


def test_from_a_merge_to_production(place: Place) -> None:
    """A champion is built, verified, published, and rolled out to staging and then to production of two servers."""
    hub = place.hub
    run = hub.push(WORKFLOW)
    assert ran(run) == dict.fromkeys(WHOLE, "success"), run.log
    assert_live(place, 3)
    assert [release["tag_name"] for release in hub.state["releases"]] == ["champion-3"]
    assert "Model card" in hub.state["releases"][0]["body"]
    assert hub.issues() == []


def test_the_next_champion_takes_over_and_no_request_fails(place: Place) -> None:
    """Somebody who asks all the while gets the answers of the old one, then those of the new one, and nothing else.

    Here the next one comes by `git revert` of the promotion.
    """
    with place.hub.working_on("main", "The trees of before were better") as clone:
        git(clone, "fetch", "--quiet", "--unshallow")
        git(clone, "revert", "--no-commit", promotions(place.hub)[-1])
    with clients(place, "champion 4 in place of 3") as asked:
        run = place.hub.push(WORKFLOW)
    assert ran(run) == dict.fromkeys(WHOLE, "success"), run.log
    assert "Successfully built" in run.log
    assert_live(place, 4)
    for client in asked.values():
        assert client.failures == []
        assert len(set(client.answers)) == 2
        assert client.answers[0] != client.answers[-1]


@pytest.mark.parametrize("what", ["crashes", "is wrong", "is slow"])
def test_what_the_engine_takes_back_answers_nobody(place: Place, what: str) -> None:
    """Nobody notices a champion that does not become healthy; production is not touched, and an issue tells of it."""
    number = promote_faulty(place.hub, what)
    with clients(place, f"champion {number}, which {what}") as asked:
        run = place.hub.push(WORKFLOW)
    assert_taken_back(place, run, number)
    for client in asked.values():
        assert client.failures == []
        assert len(set(client.answers)) == 1


def test_what_the_verification_takes_back_never_reaches_production(place: Place) -> None:
    """A champion that gets slow only once it is healthy answers in staging until the one before is back."""
    number = promote_faulty(place.hub, "tires")
    with clients(place, f"champion {number}, which tires") as asked:
        run = place.hub.push(WORKFLOW)
    assert_taken_back(place, run, number)
    assert "deploy.verify.max_p95_ms is 250" in run.log
    for client in asked.values():
        assert client.failures == []
    staging, production = (set(asked[environment].answers) for environment in PORTS)
    assert len(production) == 1
    assert len(staging) == 2 and asked["staging"].answers[-1] in production


def test_an_earlier_champion_returns_by_its_number(place: Place) -> None:
    """Nothing is built, no request fails, and the issue is closed."""
    hub = place.hub
    with clients(place, "champion 3 again") as asked:
        run = hub.dispatch(WORKFLOW, version="3", reason="the trees of then")
    assert ran(run) == dict.fromkeys((name for name in WHOLE if name != "attest"), "success"), run.log
    assert "Successfully built" not in run.log
    assert_live(place, 3)
    for client in asked.values():
        assert client.failures == []
        assert len(set(client.answers)) == 2
    assert hub.issues() == []
    assert hub.state["releases"][0]["make_latest"] == "true"


@contextmanager
def clients(place: Place, what: str) -> Iterator[dict[str, Client]]:
    """Somebody at each environment who asks both of its gateways all the while; said with `-s`: how often."""
    row = golden(place.hub)
    with asking(place.gateways("staging"), row) as staging, asking(place.gateways("production"), row) as production:
        asked = {"staging": staging, "production": production}
        for client in asked.values():
            client.hear()
        yield asked
        for client in asked.values():
            client.hear()
    for environment, client in asked.items():
        counts = f"{len(client.answers):,} answers, {len(set(client.answers))} different, {len(client.failures)} failed"
        print(f"{what}: {environment} {counts}", flush=True)
        assert len(client.answers) > 1000


def golden(hub: GitHub) -> dict[str, object]:
    """A row that the champions answer differently."""
    rows: list[dict[str, object]] = json.loads((take_out(hub, champion(hub)) / "golden.json").read_text())["rows"]
    return rows[0]


def promote_faulty(hub: GitHub, what: str) -> int:
    """Promote a model that is not live, in a service that misbehaves; gives its number."""
    number = len(promotions(hub)) + 1
    before = promotions(hub)[0 if number % 2 else 2]
    with hub.working_on("main", f"A service that {what}") as clone:
        for path, more in (("models/champion.dvc", ""), (SERVICE, faulty(what))):
            (clone / path).write_text(hub.show(before, path) + more, encoding="utf-8")
    return number


def promotions(hub: GitHub) -> list[str]:
    """The commits that moved the pointer, the first one first."""
    found = git(hub.origin, "log", "--first-parent", "--reverse", "--format=%H", "main", "--", "models/champion.dvc")
    return found.split()


def ran(run: Run) -> dict[str, str]:
    """The jobs that were not skipped."""
    return {name: result for name, result in run.results.items() if result != "skipped"}


def assert_taken_back(place: Place, run: Run, number: int) -> None:
    """Staging failed, was brought back, and an issue says so; both environments run champion 4 as before."""
    expected = {"image": "success", "attest": "success", "rollout": "failure", "tell": "success"}
    assert ran(run) == expected, run.log
    assert_live(place, 4)
    [issue] = place.hub.issues()
    assert f"champion {number} failed" in issue["body"] and "champion 4 is back" in issue["body"]


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
