"""The stack on a Docker Swarm of two servers, with a client that asks all the while and keeps count."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from conftest import Bake
from engine.client import asking
from engine.engines import Engine, engine, registry, wait_until
from engine.images import base_of, load_haproxy, load_python
from engine.network import network
from engine.swarm import join
from support import cli

pytestmark = [pytest.mark.slow, pytest.mark.engines]
PORT = 8080
STACK = "flights"
ENDED = ("completed", "rollback_completed", "paused", "rollback_paused")

# What a variant of the service does with the answers of the model, which it gives in two columns.
PATCH = """
import time
import onnxruntime

class Session(onnxruntime.InferenceSession):
    def run(self, *arguments, **more):
        found = super().run(*arguments, **more)
        THEN
        return found

onnxruntime.InferenceSession = Session
"""
SWAP = "found = [found[0][:, ::-1].copy()]"


@dataclass
class Stack:
    """The stack as it runs, and the images that can be rolled out."""

    servers: list[Engine]
    images: dict[str, str]
    project: Path
    """Whose stack file it is."""
    row: dict[str, object]

    @property
    def addresses(self) -> list[str]:
        return [f"{server.address}:{PORT}" for server in self.servers]

    def start(self, image: str) -> None:
        """Hand the stack over, as `deploy rollout` does."""
        folder, manager = self.project / "deploy" / "swarm", self.servers[0]
        options = ("--compose-file", folder / "stack.yaml", STACK)
        manager.docker("stack", "deploy", *options, IMAGE=self.images[image], PORT=str(PORT), GATEWAY="test")

    def roll_out(self, image: str) -> str:
        """Hand the stack over with another image, and wait until the engine says how that ended."""
        before = self.update().get("StartedAt")
        self.start(image)
        wait_until(lambda: self.ended(before), 170, self.tasks)
        return str(self.update()["State"])

    def ended(self, before: str | None) -> bool:
        update = self.update()
        return update.get("StartedAt") != before and update.get("State") in ENDED

    def update(self) -> dict[str, str]:
        """How far the last rollout is."""
        (service,) = self.servers[0].json("service", "inspect", f"{STACK}_model")
        found = service.get("UpdateStatus", {})
        assert isinstance(found, dict)
        return found

    def tasks(self) -> str:
        """What the engine did, and why."""
        return self.servers[0].docker("stack", "ps", STACK, "--no-trunc")


@pytest.fixture(scope="module")
def stack(base_images: Path, project: Path, bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two servers, the registry they pull from, and the champion on both."""
    rolled_out = bake(deploy="swarm")
    cli(project, "deploy", "package")
    golden = json.loads((project / "build" / "model" / "golden.json").read_text(encoding="utf-8"))
    with network(2) as lan, registry(lan) as name, engine(lan, 0) as one, engine(lan, 1) as two:
        with engine(lan) as builder:
            load_python(builder, base_images / "python.tar", base_of(project))
            champion = f"{name}/flights:champion"
            cli(project, "deploy", "image", "--tag", champion, **builder.variables)
            images = {"champion": champion}
            for variant, files in variants(champion, golden).items():
                folder = tmp_path_factory.mktemp(variant)
                for file, text in files.items():
                    (folder / file).write_text(text, encoding="utf-8")
                images[variant] = f"{name}/flights:{variant}"
                builder.docker("build", "--tag", images[variant], folder, DOCKER_BUILDKIT="0")
            for image in images.values():
                builder.docker("push", "--quiet", image)
        for server in (one, two):
            load_haproxy(server, base_images / "haproxy.tar", gateway_of(rolled_out))
        join([one, two])
        stack = Stack([one, two], images, rolled_out, golden["rows"][0])
        stack.start("champion")
        wait_until(lambda: all(is_ready(address) for address in stack.addresses), 120, stack.tasks)
        yield stack


def variants(champion: str, golden: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, str]]:
    """A good successor, whose golden answers are its own, and three that do not do well: the files of their build."""
    swapped = [dict(zip(answer, reversed(answer.values()), strict=True)) for answer in golden["answers"]]
    patched = f"FROM {champion}\nCOPY sitecustomize.py /app/src/\n"
    swap = PATCH.replace("THEN", SWAP)
    return {
        "successor": {
            "Dockerfile": f"{patched}COPY golden.json /app/model/\n",
            "sitecustomize.py": swap,
            "golden.json": json.dumps(golden | {"answers": swapped}),
        },
        "wrong": {"Dockerfile": patched, "sitecustomize.py": swap},
        "slow": {"Dockerfile": patched, "sitecustomize.py": PATCH.replace("THEN", "time.sleep(3)")},
        "crashing": {"Dockerfile": f'FROM {champion}\nENTRYPOINT ["python", "-c", "raise SystemExit(3)"]\n'},
    }


def gateway_of(project: Path) -> str:
    """The image of the gateway."""
    stack = yaml.safe_load((project / "deploy" / "swarm" / "stack.yaml").read_text(encoding="utf-8"))
    return str(stack["services"]["gateway"]["image"])


def is_ready(address: str) -> bool:
    """Whether a gateway has a replica that is ready."""
    with suppress(OSError), urllib.request.urlopen(f"http://{address}/ready", timeout=2) as response:
        return bool(response.status == 200)
    return False


def test_a_rollout_fails_no_request(stack: Stack) -> None:
    """The successor takes over from the champion, and the champion from it again, under a client on every server."""
    with asking(stack.addresses, stack.row) as client:
        told = [client.one()]
        for image in ("successor", "champion"):
            assert stack.roll_out(image) == "completed", stack.tasks()
            told.append(client.one())
    assert client.failures == []
    assert told[0] == told[2] != told[1]
    assert client.counted().keys() == set(told)
    print(f"{len(client.answers)} requests during two rollouts: none failed, {dict(client.counted())}")


@pytest.mark.parametrize("image", ["crashing", "wrong", "slow"])
def test_the_engine_takes_back_what_does_not_do_well(stack: Stack, image: str) -> None:
    """Not one request fails or gets an answer other than the champion's, from before until after."""
    with asking(stack.addresses, stack.row) as client:
        champion, began = client.one(), time.monotonic()
        assert stack.roll_out(image) == "rollback_completed", stack.tasks()
        assert client.one() == champion
    assert client.failures == []
    assert client.counted().keys() == {champion}
    assert f"flights:{image}" in stack.tasks(), "it was never started"
    print(f"{image}: taken back after {time.monotonic() - began:.0f} s, {len(client.answers)} requests, none failed")
