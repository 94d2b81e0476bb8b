"""A champion is rolled out, verified and, where it does not do well, taken back: told with what came of that."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mlops_template.deploy import kubernetes, rollout, swarm
from mlops_template.deploy.kubernetes import Kubernetes, overlay_with
from mlops_template.deploy.swarm import Swarm, same
from mlops_template.errors import ProjectError
from mlops_template.integrations.revisions import Champion
from mlops_template.settings.operation import Deploy
from mlops_template.settings.params import Params
from mlops_template.settings.project import Project

IMAGE = "registry.example.com/flights"
OLD, NEW = (f"{IMAGE}@sha256:{digit * 64}" for digit in "12")
CHAMPIONS = [Champion(1, "1" * 32, "a" * 40), Champion(2, "2" * 32, "b" * 40)]
RUNS = {OLD: CHAMPIONS[0], NEW: CHAMPIONS[1]}

DOCKER = '''\
#!{python}
"""Docker's engine, as far as a rollout asks it: what is told to it lies in a file."""
import json, os, sys
from pathlib import Path
file = Path({state!r})
state = json.loads(file.read_text())
said = sys.argv[1:]
state["calls"].append([os.environ["DOCKER_HOST"], *said])
state["given"] = [os.environ["PORT"], os.environ["GATEWAY"]]
update = {{}}
if said[:2] == ["stack", "deploy"]:
    image = os.environ["IMAGE"]
    if image != state["image"]:
        fails = image in state["fails"]
        state |= {{"before": state["image"], "image": state["image"] if fails and state["image"] else image}}
        state["update"] = ("rollback_completed" if fails else "completed") if state["before"] else None
        state["dying"] = 9 if fails else 0
elif said[:2] == ["service", "ls"] and "{{{{.Name}}}}" in said:
    print(f"flights-staging_model\\nflights-staging_model-other" if state["image"] else "")
    print("flights-staging_gateway" if state["gateway"] else "")
elif said[:2] == ["service", "ls"]:
    there = 0 if state["dying"] and not state["before"] else 2
    print(json.dumps({{"Name": "flights-staging_model", "Replicas": f"{{there}}/2"}}))
    print(json.dumps({{"Name": "flights-staging_gateway", "Replicas": "2/2 (max 1 per node)"}}))
elif said[:3] == ["service", "inspect", "flights-staging_gateway"]:
    deployed = any("stack" in call for call in state["calls"])
    print(json.dumps({{"UpdateStatus": state["gateway"][deployed]}}))
elif said[:2] == ["service", "inspect"]:
    spec = lambda image: {{"TaskTemplate": {{"ContainerSpec": {{"Image": image}}}}}}
    found = {{"Spec": spec(state["image"])}}
    found |= {{"PreviousSpec": spec(state["before"])}} if state["before"] else {{}}
    found |= {{"UpdateStatus": {{"State": state["update"]}}}} if state["update"] else {{}}
    print(json.dumps(found))
elif said[:2] == ["service", "ps"] and "desired-state=running" in said:
    print(json.dumps({{"Image": state["behind"].pop() if state["behind"] else state["image"]}}))
elif said[:2] == ["service", "ps"]:
    for _ in range(state["dying"]):
        print(json.dumps({{"Error": "task: non-zero exit (3)", "Node": "second"}}))
else:
    sys.exit(f"unknown: {{said}}")
file.write_text(json.dumps(state))
'''


@dataclass
class Engine:
    """An engine's state, and the calls that it got."""

    file: Path

    def set(self, **values: Any) -> None:
        known = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.file.write_text(json.dumps(known | values))

    @property
    def calls(self) -> list[list[str]]:
        found: list[list[str]] = json.loads(self.file.read_text())["calls"]
        return found


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """`docker` on the PATH, with a stack that runs the old image."""
    made = Engine(tmp_path / "engine.json")
    made.set(image=OLD, before="", update=None, fails=[], dying=0, calls=[], gateway=[], behind=[])
    program(tmp_path / "bin" / "docker", DOCKER, tmp_path / "engine.json")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setattr(swarm, "load_project", lambda: Project("flights", "", "", "", "o/flights"))
    monkeypatch.setattr(swarm, "GATEWAY", tmp_path / "haproxy.cfg")
    (tmp_path / "haproxy.cfg").write_text("global")
    monkeypatch.setattr(swarm.time, "sleep", lambda seconds: None)
    return made


def program(file: Path, text: str, state: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text.format(python=sys.executable, state=str(state)))
    file.chmod(0o755)


@dataclass
class World:
    """What `verify` finds where an engine has rolled out something, and what it was asked."""

    params: Params
    wrong: set[str] = field(default_factory=set)
    fault: Exception = field(default_factory=lambda: ProjectError("3 of 10 rows are answered otherwise"))
    asked: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def world(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> World:
    """A project that is rolled out to one Swarm; its services answer as their image has it, or wrongly."""
    return made_world(monkeypatch, Swarm("staging", "ssh://me@host", 80).running, "swarm")


def made_world(patch: pytest.MonkeyPatch, running: Callable[[], str | None], target: str) -> World:
    places = {"staging": {"server": "ssh://me@host", "url": "http://host"}}
    deploy = Deploy.model_validate({"target": target, "image": IMAGE, "environments": places})
    world = World(Params.model_construct(deploy=deploy))

    def verify(params: Params, url: str, version: str) -> str:
        world.asked.append((url, version))
        image = running() or ""
        if image in world.wrong:
            raise world.fault
        if str(RUNS[image].number) != version:
            raise ProjectError("another champion answers")
        return f"{url} predicts as champion {version}"

    def asked(params: Params, name: str) -> dict[str, Any] | None:
        image = running()
        return {"digest": RUNS[image].digest} if image else None

    patch.setattr(rollout, "verify", verify)
    patch.setattr(rollout, "asked", asked)
    patch.setattr(rollout, "champions", lambda revision="HEAD": CHAMPIONS)
    patch.setattr(rollout, "find_champion", lambda version: (CHAMPIONS[int(version) - 1], None))
    return world


def test_a_champion_is_rolled_out_and_verified(world: World, engine: Engine) -> None:
    said = rollout.rollout(world.params, "staging", "2", NEW)
    assert said == "staging: http://host predicts as champion 2"
    (deployed,) = [call for call in engine.calls if "stack" in call]
    options = ["--compose-file", "deploy/swarm/stack.yaml", "--with-registry-auth", "--prune"]
    options += ["--resolve-image", "changed"]
    assert deployed == ["ssh://me@host", "stack", "deploy", *options, "flights-staging"]
    assert {call[0] for call in engine.calls} == {"ssh://me@host"}


def test_one_that_answers_wrongly_is_taken_back_and_the_old_one_verified(world: World, engine: Engine) -> None:
    world.wrong = {NEW}
    with pytest.raises(ProjectError) as failed:
        rollout.rollout(world.params, "staging", "2", NEW)
    assert str(failed.value) == (
        "staging: champion 2 failed: 3 of 10 rows are answered otherwise. "
        "champion 1 is back: http://host predicts as champion 1"
    )
    assert Swarm("staging", "ssh://me@host", 80).running() == OLD
    assert world.asked == [("http://host", "2"), ("http://host", "1")]


def test_it_is_taken_back_for_whatever_goes_wrong_in_the_verification(world: World) -> None:
    """Also for what nobody thought of."""
    world.wrong, world.fault = {NEW}, TypeError("unsupported operand")
    with pytest.raises(ProjectError, match=r"failed: TypeError\('unsupported operand'\)\. champion 1 is back"):
        rollout.rollout(world.params, "staging", "2", NEW)


def test_it_is_through_only_when_the_tasks_run_it(world: World, engine: Engine) -> None:
    """The manager may know of the new image before it has told that it updates."""
    engine.set(image=NEW, before=OLD, behind=[OLD])
    there = Swarm("staging", "ssh://me@host", 80)
    assert there.state(NEW) == "model 2 of 2, gateway 2 of 2"
    assert there.state(NEW) is None


def test_a_gateway_that_the_engine_took_back_is_a_failure(world: World, engine: Engine) -> None:
    """One that was taken back long ago is none."""
    ago = {"StartedAt": "ago", "State": "rollback_completed"}
    engine.set(gateway=[ago, ago])
    assert "predicts as champion 2" in rollout.rollout(world.params, "staging", "2", NEW)
    now = {"StartedAt": "now", "State": "rollback_completed", "Message": "no port"}
    engine.set(image=OLD, gateway=[{}, now], calls=[])
    with pytest.raises(ProjectError, match=r"the engine took the gateway back \(no port\)\. champion 1 is back"):
        rollout.rollout(world.params, "staging", "2", NEW)


def test_what_the_engine_took_back_itself_is_told_with_its_reason_and_verified(world: World, engine: Engine) -> None:
    engine.set(fails=[NEW])
    with pytest.raises(ProjectError) as failed:
        rollout.rollout(world.params, "staging", "2", NEW)
    assert "champion 2 failed: the engine took it back: task: non-zero exit (3) on second" in str(failed.value)
    assert "champion 1 is back: http://host predicts as champion 1" in str(failed.value)
    assert sum("stack" in call for call in engine.calls) == 1


def test_one_that_only_does_not_get_healthy_has_its_words_at_the_server(world: World, engine: Engine) -> None:
    engine.set(image=OLD, before=NEW, update="rollback_completed")
    with pytest.raises(ProjectError, match="no replica stayed healthy; `docker --host ssh://me@host service logs"):
        Swarm("staging", "ssh://me@host", 80).state(NEW)


def test_where_the_old_one_does_not_do_well_either_that_is_said(world: World) -> None:
    world.wrong = {NEW, OLD}
    with pytest.raises(ProjectError, match="champion 1 is not back either: 3 of 10 rows"):
        rollout.rollout(world.params, "staging", "2", NEW)


def test_the_first_that_fails_is_left_to_be_looked_at(world: World, engine: Engine) -> None:
    engine.set(image="", fails=[NEW])
    with pytest.raises(ProjectError, match=r"it does not start: task: non-zero exit .* Nothing ran there before"):
        rollout.rollout(world.params, "staging", "2", NEW)


def test_rolled_out_again_it_is_only_verified(world: World, engine: Engine) -> None:
    """Also where the engine remembers that something else was taken back."""
    engine.set(before=NEW, update="rollback_completed")
    assert "predicts as champion 1" in rollout.rollout(world.params, "staging", "1", OLD)


def test_an_engine_that_gives_up_is_a_failure(world: World, engine: Engine) -> None:
    engine.set(image=NEW, before=OLD, update="paused")
    with pytest.raises(ProjectError, match="the engine gave up"):
        Swarm("staging", "ssh://me@host", 80).state(NEW)


def test_without_a_server_it_is_passed_over_with_the_setting_that_is_missing(world: World, engine: Engine) -> None:
    said = rollout.rollout(world.params, "production", "2", NEW)
    assert said == "production: passed over, since deploy.environments.production.server in params.yaml names no server"
    only = Params.model_construct(deploy=world.params.deploy.model_copy(update={"target": "image"}))
    assert "deploy.target in params.yaml is image" in rollout.rollout(only, "staging", "2", NEW)
    with pytest.raises(ProjectError, match=r"production runs nothing, since .* names no server"):
        rollout.rollback(world.params, "production")
    with pytest.raises(ProjectError, match="no environment is named test: there are staging, production"):
        rollout.rollout(world.params, "test", "2", NEW)
    assert engine.calls == []


def test_an_older_one_passes_where_main_has_moved_on(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its run may have waited for an approval; by hand it is rolled out all the same."""
    monkeypatch.setattr(rollout, "newest_at_origin", lambda: CHAMPIONS[1])
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    assert "main has champion 2 by now" in rollout.rollout(world.params, "staging", "1", OLD, unless_newer=True)
    assert (tmp_path / "output").read_text() == "superseded=true\n"
    assert "predicts as champion 1" in rollout.rollout(world.params, "staging", "1", OLD)


def test_the_image_before_comes_back_by_hand(world: World, engine: Engine) -> None:
    with pytest.raises(ProjectError, match="knows no earlier image: `deploy rollout staging --version 1`"):
        rollout.rollback(world.params, "staging")
    rollout.rollout(world.params, "staging", "2", NEW)
    assert rollout.rollback(world.params, "staging") == "staging: http://host predicts as champion 1"
    assert Swarm("staging", "ssh://me@host", 80).running() == OLD


def test_what_was_taken_back_does_not_come_back_by_hand(world: World) -> None:
    """It is what ran before: it is verified like any other, and goes again."""
    world.wrong = {NEW}
    for command in (
        lambda: rollout.rollout(world.params, "staging", "2", NEW),
        lambda: rollout.rollback(world.params, "staging"),
    ):
        with pytest.raises(ProjectError, match=r"failed: 3 of 10 rows .* champion 1 is back: .* as champion 1"):
            command()
        assert Swarm("staging", "ssh://me@host", 80).running() == OLD


def test_the_same_image_rolled_out_twice_is_no_earlier_one(world: World, engine: Engine) -> None:
    engine.set(before=OLD)
    with pytest.raises(ProjectError, match="knows no earlier image"):
        rollout.rollback(world.params, "staging")


def test_the_gateway_listens_where_the_address_leads() -> None:
    for url, port in (("http://host", 80), ("http://host:8081/model", 8081), ("https://host", 8080)):
        assert rollout.port_of(url) == port


def test_a_name_with_a_digest_is_told_from_others_by_that() -> None:
    assert same(f"a:1@{'1' * 9}", f"a@{'1' * 9}") and not same(f"a:1@{'1' * 9}", f"a:1@{'2' * 9}")
    assert same("a:1@sha256:1", "a:1") and not same("a:2", "a:1")


def test_the_manifests_are_applied_with_the_image_and_nothing_in_git_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = overlay_with("staging", NEW)
    content = json.loads((folder / "kustomization.yaml").read_text())
    assert content["images"] == [{"name": "model", "newName": IMAGE, "digest": f"sha256:{'2' * 64}"}]
    assert (folder / content["resources"][0]).resolve() == tmp_path / "deploy/kubernetes/overlays/staging"
    tagged = json.loads((overlay_with("staging", "host:5000/flights:1") / "kustomization.yaml").read_text())
    assert tagged["images"] == [{"name": "model", "newName": "host:5000/flights", "newTag": "1"}]
    with pytest.raises(ProjectError, match="names no tag and no digest"):
        overlay_with("staging", "host:5000/flights")


KUBECTL = '''\
#!{python}
"""A cluster, as far as a rollout asks it: what is told to it lies in a file."""
import json, sys
from pathlib import Path
file = Path({state!r})
state = json.loads(file.read_text())
said = sys.argv[1:]
state["calls"].append(said)
words = [word for word in said if not word.startswith("-")]
if "apply" in words:
    chosen = json.loads(Path(said[-1], "kustomization.yaml").read_text())["images"][0]
    state |= {{"before": state["image"], "image": f"{{chosen['newName']}}@{{chosen['digest']}}"}}
    state["revision"] += state["before"] != state["image"] or state["touched"]
elif "get" in words and "deployment/model" in words:
    containers = {{"containers": [{{"image": state["image"]}}]}}
    marks = {{"annotations": {{"deployment.kubernetes.io/revision": str(state["revision"])}}}}
    print(json.dumps({{"metadata": marks, "spec": {{"template": {{"spec": containers}}}}}}) if state["image"] else "")
elif "get" in words and "pods" in words:
    waiting = {{"waiting": {{"reason": "CrashLoopBackOff"}}}}
    died = {{"terminated": {{"reason": "Error", "message": "no such file"}}}}
    print(json.dumps({{"items": [{{"status": {{"containerStatuses": [
        {{"ready": False, "state": waiting, "lastState": died}}]}}}}]}}))
elif "undo" in words:
    state |= {{"image": state["before"], "revision": state["revision"] + 1}}
elif "status" in words:
    file.write_text(json.dumps(state))
    sys.exit("error: timed out waiting for the condition" if state["image"] in state["fails"] else 0)
else:
    sys.exit(f"unknown: {{said}}")
file.write_text(json.dumps(state))
'''


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """`kubectl` on the PATH, with a deployment that runs the old image."""
    made = Engine(tmp_path / "cluster.json")
    made.set(image=OLD, before="", fails=[], calls=[], revision=1, touched=False)
    program(tmp_path / "bin" / "kubectl", KUBECTL, tmp_path / "cluster.json")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setattr(kubernetes, "load_project", lambda: Project("Flights.of_all", "", "", "", "o/flights"))
    monkeypatch.chdir(tmp_path)
    return made


def test_in_a_cluster_the_same_holds(cluster: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Kubernetes("staging", "context")
    world = made_world(monkeypatch, there.running, "kubernetes")
    world.params.deploy.environments.staging.__dict__["server"] = "context"
    assert "predicts as champion 2" in rollout.rollout(world.params, "staging", "2", NEW)
    placed = ["--context", "context", "--namespace", "flights-of-all-staging"]
    status = [*placed, "rollout", "status", "deployment/model", "--timeout=600s"]
    assert status in cluster.calls
    assert ["--context", "context", "apply", "--kustomize", ".dvc/tmp/kubernetes/staging"] in cluster.calls

    cluster.set(fails=[OLD])
    with pytest.raises(ProjectError) as failed:
        rollout.rollout(world.params, "staging", "1", OLD)
    assert "champion 1 failed: it did not come up and was undone: no such file" in str(failed.value)
    assert "champion 2 is back: http://host predicts as champion 2" in str(failed.value)
    assert [*placed, "rollout", "undo", "deployment/model"] in cluster.calls


def test_a_manifest_that_does_not_come_up_is_undone_though_the_image_is_the_same(cluster: Engine) -> None:
    """And nothing is undone where nothing was changed: what came before is no part of this rollout."""
    there = Kubernetes("staging", "context")
    cluster.set(fails=[OLD])
    with pytest.raises(ProjectError, match="it did not come up: no such file"):
        there.apply(OLD)
    assert not any("undo" in call for call in cluster.calls)
    cluster.set(touched=True)
    with pytest.raises(ProjectError, match="timed out"):
        there.apply(OLD)
    assert any("undo" in call for call in cluster.calls)
