"""The champion's image, built by a real engine: what is in it, how it runs, and that it can be made again."""

import json
import re
import sqlite3
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from engine.engines import Engine, engine, wait_until
from engine.images import base_of, load_python
from engine.network import network
from pages import blocks
from support import cli, clone_of, environment, git, missing, run

pytestmark = [pytest.mark.slow, pytest.mark.engines]
AS_IN_PRODUCTION = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
IMAGE = "flights:1"
LOGGED = """
import json, sqlite3
log = sqlite3.connect("file:/log/log.db?mode=ro", uri=True)
print(json.dumps(log.execute("select model, prediction from predictions").fetchall()))
"""


@pytest.fixture(scope="module")
def docker(base_images: Path, project: Path) -> Iterator[Engine]:
    """An engine that has the base image, and the image of the default project."""
    with network() as lan, engine(lan) as docker:
        load_python(docker, base_images / "python.tar", base_of(project))
        cli(project, "deploy", "package")
        said = cli(project, "deploy", "image", "--tag", IMAGE, **docker.variables)
        assert re.search(rf"{IMAGE}: champion 1, served by onnx, .* MB \(system .*, libraries .*, model .*\)", said)
        yield docker


@pytest.fixture(scope="module")
def container(docker: Engine) -> Iterator[str]:
    """A container of it with a read-only file system and no rights."""
    container = docker.docker("run", "--detach", "--publish", "127.0.0.1::8000", *AS_IN_PRODUCTION, IMAGE).strip()
    yield container
    docker.docker("rm", "--force", container)


@pytest.fixture(scope="module")
def layers(docker: Engine, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, int]]:
    """The names of the files in each layer, with their sizes."""
    saved = tmp_path_factory.mktemp("saved") / "image.tar"
    docker.docker("save", "--output", saved, IMAGE)
    layers = []
    with tarfile.open(saved) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        for name in manifest[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                layers.append({file.name: file.size for file in layer if not file.isdir()})
    return layers


def test_it_answers_as_the_pipeline_did(docker: Engine, container: str, project: Path) -> None:
    """Read-only and without any right it becomes healthy, and a stranger's request gets the golden answers."""
    becomes_healthy(docker, container)
    url = f"http://{docker.docker('port', container, '8000').split()[0]}/predict"
    golden = json.loads((project / "build" / "model" / "golden.json").read_text(encoding="utf-8"))
    request = urllib.request.Request(url, json.dumps(golden["rows"]).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        answers = json.load(response)["predictions"]
    assert len(golden["rows"]) > 3
    for answer, expected in zip(answers, golden["predictions"], strict=True):
        assert {name: answer[name] for name in expected} == pytest.approx(expected, abs=1e-4)


def test_nobody_is_root_and_nothing_can_be_written(docker: Engine, container: str) -> None:
    """Nor would anything be, were the file system not read-only; and no program gives a right to who starts it."""
    assert docker.docker("exec", container, "id", "-u").strip() == "65532"
    for path in ("/x", "/app/model/x", "/app/lib/x", "/var/x", "/usr/local/x"):
        assert "Read-only file system" in docker.docker("exec", container, "touch", path, check=False)
    search = "find / -xdev ( -writable -o -perm /6000 ) ! -type l ! -path /tmp ! -path /var/tmp ! -path /run/lock"
    options = ("--rm", "--entrypoint", "find", IMAGE, *search.split()[1:], "-not", "-path", "/dev*")
    found = docker.docker("run", *options, check=False).splitlines()
    assert [line for line in found if line.startswith("/") and not line.startswith("/proc")] == []


def test_what_is_not_needed_is_not_in_it(layers: list[dict[str, int]]) -> None:
    """Neither what builds and installs, nor what only training needs: in no layer."""
    names = set().union(*layers)
    programs = {Path(name).name for name in names if re.search(r"(^|/)s?bin/", name)}
    assert "python3" in programs
    assert programs & set("pip pip3 uv uvx gcc cc make ld git curl wget ssh docker".split()) == set()
    libraries = {name.split("/")[2] for name in names if name.startswith("app/lib/")}
    assert {"numpy", "onnxruntime", "starlette"} <= libraries
    unwanted = "pip uv setuptools pandas sklearn scipy joblib mlflow dvc pyarrow skl2onnx onnx pytest"
    assert libraries & set(unwanted.split()) == set()
    assert [name for name in names if re.search(r"/(pip|setuptools|ensurepip)/", name)] == []
    service = {name.split("/")[3] for name in names if name.startswith("app/src/")}
    assert service == {"__init__.py", "errors.py", "prediction_log", "serving", "__pycache__"}
    model = {name.removeprefix("app/model/") for name in names if name.startswith("app/model/")}
    code = {"code/features.py", "code/machinery_inputs.py", "code/pipeline.py"}
    assert model == {"model.onnx", "card.json", "golden.json", "schema.json", "serving.json", "release.json"} | code


def test_a_server_that_has_one_fetches_little_of_the_next(layers: list[dict[str, int]]) -> None:
    """Only the last layer, which is the model."""
    sizes = [sum(layer.values()) for layer in layers]
    assert sum(sizes) < 400e6
    assert sizes[-1] < 2e6


def test_no_credentials(docker: Engine, project: Path) -> None:
    """What lies beside the code on a laptop or a runner stays there: only what is named goes to the engine at all."""
    secret, names = (
        "of-nobodys-concern",
        (".env", ".netrc", "build/.env", "machinery/mlops_template/.env", "models/.env"),
    )
    for name in names:
        (project / name).write_text(f"token = {secret}", encoding="utf-8")
    try:
        cli(project, "deploy", "image", "--tag", "flights:secret", GH_TOKEN=secret, **docker.variables)
    finally:
        for name in names:
            (project / name).unlink()
    assert secret not in json.dumps(docker.json("image", "inspect", "flights:secret"))
    assert secret not in docker.docker("history", "--no-trunc", "flights:secret")
    assert digests(docker, "flights:secret") == digests(docker, IMAGE)


def test_the_labels_tell_where_it_is_from(docker: Engine, project: Path) -> None:
    labels = json.loads(docker.docker("image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE))
    release = json.loads((project / "build" / "model" / "release.json").read_text(encoding="utf-8"))
    standard = "org.opencontainers.image"
    assert labels[f"{standard}.revision"] == git(project, "rev-parse", "HEAD")
    assert labels[f"{standard}.created"] == git(project, "show", "--no-patch", "--format=%cI")
    assert labels[f"{standard}.version"] == "1"
    assert labels["model.digest"] in (project / "models" / "champion.dvc").read_text(encoding="utf-8")
    assert labels["model.runtime"] == "onnx"
    assert (labels["data.first"], labels["data.last"]) == (release["window"]["first"], release["window"]["last"])


@pytest.fixture(scope="module")
def clone(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same commit somewhere else."""
    clone = clone_of(project, tmp_path_factory.mktemp("clone"), project.name)
    cli(clone, "deploy", "package")
    return clone


def test_the_same_commit_gives_the_same_content(docker: Engine, base_images: Path, clone: Path) -> None:
    """Byte for byte in every layer: from another clone, by an engine that has never built it."""
    with network() as lan, engine(lan) as other:
        load_python(other, base_images / "python.tar", base_of(clone))
        cli(clone, "deploy", "image", "--tag", IMAGE, **other.variables)
        assert digests(other, IMAGE) == digests(docker, IMAGE)


def test_the_pipeline_serves_where_onnx_is_too_far_off(docker: Engine, clone: Path) -> None:
    """With the libraries that it needs, as healthy as the other."""
    params = clone / "params.yaml"
    params.write_text(
        params.read_text(encoding="utf-8").replace("tolerance: 0.0001", "tolerance: 1e-15"), encoding="utf-8"
    )
    cli(clone, "deploy", "package")
    assert "served by sklearn" in cli(clone, "deploy", "image", "--tag", "flights:pipeline", **docker.variables)
    container = docker.docker("run", "--detach", *AS_IN_PRODUCTION, "flights:pipeline").strip()
    becomes_healthy(docker, container)
    docker.docker("rm", "--force", container)


def test_a_shadow_predicts_in_it_and_answers_nobody(docker: Engine, clone: Path, tmp_path: Path) -> None:
    """The model of a branch, in the champion's image: both are in the log, and the answers are the champion's.

    Here it is of LightGBM, as docs/own-model.md has it: the image needs no library for it.
    What was answered last is in the log, too, when the container is told to end.
    """
    params = clone / "params.yaml"
    git(clone, "checkout", "--quiet", "-B", "lightgbm", "HEAD")
    git(clone, "checkout", "--quiet", ".")
    text = params.read_text(encoding="utf-8")
    add, settings = (one for one in blocks(clone / "docs" / "own-model.md") if one.heading == "LightGBM")
    for command in add.commands:
        run(*command.split(), cwd=clone)
    found = YAML().load(text)
    found["model"].update(YAML(typ="safe").load(settings.text)["model"])
    with params.open("w", encoding="utf-8") as file:
        YAML().dump(found, file)
    cli(clone, "run")
    git(clone, "commit", "--quiet", "--all", "--message", "LightGBM")
    git(clone, "checkout", "--quiet", "-")
    cli(clone, "pull")
    params.write_text(text.replace("shadow: null", "shadow: lightgbm"), encoding="utf-8")
    assert "beside it the shadow lightgbm" in cli(clone, "deploy", "package")
    assert (clone / "build" / "model" / "shadow" / "model.onnx").is_file()
    cli(clone, "deploy", "image", "--tag", "flights:shadow", **docker.variables)
    assert digests(docker, "flights:shadow")[:-1] == digests(docker, IMAGE)[:-1], "only the models differ"
    kept = tmp_path / "log"
    kept.mkdir()
    kept.chmod(0o777)  # for the user that the service runs as
    volume = ("--volume", f"{kept}:/log", "--env", "PREDICTIONS=/log/log.db")
    options = ("--publish", "127.0.0.1::8000", *volume, *AS_IN_PRODUCTION)
    container = docker.docker("run", "--detach", *options, "flights:shadow").strip()
    becomes_healthy(docker, container)
    service = f"http://{docker.docker('port', container, '8000').split()[0]}"
    golden = json.loads((clone / "build" / "model" / "golden.json").read_text(encoding="utf-8"))
    body, kind = json.dumps(golden["rows"]).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{service}/predict", body, kind)
    with urllib.request.urlopen(request) as response:
        answers = json.load(response)["predictions"]
    for answer, expected in zip(answers, golden["predictions"], strict=True):
        assert {name: answer[name] for name in expected} == pytest.approx(expected, abs=1e-4)
    with urllib.request.urlopen(f"{service}/model") as response:
        card = json.load(response)
    assert card["shadow"]["version"] == "lightgbm" != card["version"]

    def logged() -> dict[str, list[str]]:
        """What each model predicted."""
        said = docker.docker("exec", container, "python3", "-c", LOGGED, check=False).splitlines()
        rows = json.loads(said[-1]) if said and said[-1].startswith("[") else []  # before the log has its tables
        return {digest: [said for model, said in rows if model == digest] for digest, _ in rows}

    rows = len(golden["rows"])  # those of the health check are not among them
    wait_until(lambda: [len(said) for said in logged().values()] == [rows, rows], why=lambda: str(logged()))
    found = logged()
    assert found[card["digest"]] != found[card["shadow"]["digest"]]
    urllib.request.urlopen(request).close()
    docker.docker("stop", "--time", "40", container)
    assert docker.docker("inspect", "--format", "{{.State.ExitCode}}", container).strip() == "0"
    with closing(sqlite3.connect(kept / "log.db")) as log:
        counts = log.execute("select model, count(*) from predictions group by model").fetchall()
    assert dict(counts) == {card["digest"]: 2 * rows, card["shadow"]["digest"]: 2 * rows}
    docker.docker("rm", "--force", container)


def test_buildkit_builds_the_same(docker: Engine, project: Path) -> None:
    """It is what builds on GitHub's machines; Docker's older builder, which ends with it, is here by default.

    Of the system's layer the two keep different owners, which nothing in the image depends on.
    """
    program = with_buildkit(docker)
    options = ("--tag", "flights:buildkit")
    path = f"{program.parent}:{environment()['PATH']}"
    cli(project, "deploy", "image", *options, **docker.variables | {"DOCKER_BUILDKIT": "1", "PATH": path})
    assert "buildkit" in docker.docker("history", "--no-trunc", "flights:buildkit")
    assert digests(docker, "flights:buildkit")[1:] == digests(docker, IMAGE)[1:]


def with_buildkit(docker: Engine) -> Path:
    """A client that can use BuildKit: one that has buildx, or is so old that it needs none."""
    for folder in environment()["PATH"].split(":"):
        program = Path(folder) / "docker"
        if program.exists():
            said = run(program, "build", "--help", cwd=Path("/"), check=False, DOCKER_BUILDKIT="1", **docker.variables)
            if "buildx" not in said:
                return program
    missing("buildx", "install docker.io's own client, or docker-buildx")


def becomes_healthy(docker: Engine, container: str) -> None:
    """Wait until the engine says so."""
    health = ("inspect", "--format", "{{json .State.Health}}", container)
    wait_until(lambda: json.loads(docker.docker(*health))["Status"] == "healthy", why=lambda: docker.docker(*health))


def digests(docker: Engine, image: str) -> list[str]:
    """Of the layers' content."""
    return json.loads(docker.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image))
