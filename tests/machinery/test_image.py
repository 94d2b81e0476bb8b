"""What the engine is told to build: of which libraries, and with labels that the commit determines."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from mlops_template.deploy.image import build, labels
from mlops_template.errors import ProjectError
from mlops_template.integrations.git import git
from mlops_template.settings.params import load_params

RELEASE = {
    "version": 3,
    "commit": "c" * 40,
    "digest": "d" * 32,
    "window": {"first": "2013-01-01T05:15:00", "last": "2013-03-03T23:59:00"},
}
PROGRAM = """#!{python}
import os, sys
with open({log!r}, "a") as log:
    print(sys.argv[1:], os.environ.get("SOURCE_DATE_EPOCH"), file=log)
if "--output-file" in sys.argv:
    open(sys.argv[-1], "w").write("numpy==2.3\\nscikit-learn==1.9 \\\\\\n    --hash=sha256:1\\n")
print(open({history!r}).read() if "history" in sys.argv else 7_000_000)
"""
HISTORY = """\
{"CreatedBy": "ENTRYPOINT [python]", "Size": "0"}
{"CreatedBy": "COPY /image / # buildkit", "Size": "400000"}
{"CreatedBy": "COPY /image / # buildkit", "Size": "0"}
{"CreatedBy": "/bin/sh -c #(nop) COPY dir:9d in / ", "Size": "2000000"}
{"CreatedBy": "COPY / / # buildkit", "Size": "4600000"}
"""
"""As `docker history` tells it, the last step first; both kinds of builder."""


@pytest.fixture
def committed(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as a repository with one commit, of a known second, and a package that is not in it."""
    shutil.copy(Path(__file__).parent / "data" / "pyproject.toml", "pyproject.toml")
    shutil.copy(Path(__file__).parents[2] / "<<cookiecutter.project>>" / "Dockerfile", "Dockerfile")
    Path(".gitignore").write_text("/build\n/bin\n/told\n")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2013-04-01T12:00:00+00:00")
    git("init", "--quiet")
    git("add", "--all")
    git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message", "First")
    return project


@pytest.fixture
def told(committed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that holds what `uv` and `docker` were told, which do nothing else."""
    (committed / "bin").mkdir()
    history, log = committed / "bin" / "history", committed / "told"
    history.write_text(HISTORY)
    for name in ("uv", "docker"):
        program = committed / "bin" / name
        program.write_text(PROGRAM.format(python=sys.executable, log=str(log), history=str(history)))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(committed / "bin"), prepend=":")
    return log


def package(runtime: str, derived: tuple[str, ...] = (), library: str = "numpy") -> None:
    """As much of a package as the build asks for."""
    folder = Path("build/model")
    folder.mkdir(parents=True)
    (folder / "release.json").write_text(json.dumps(RELEASE))
    (folder / "serving.json").write_text(json.dumps({"runtime": runtime}))
    versions = {"python": "3.11", library: "2.3", "Scikit_Learn": "1.9"}
    (folder / "card.json").write_text(json.dumps({"derived": derived, "versions": versions}))


def test_without_a_package_it_says_how_to_make_one(committed: Path) -> None:
    with pytest.raises(ProjectError, match="deploy package"):
        build(load_params(), "flights:1")


@pytest.mark.skipif(sys.platform == "win32", reason="the programs are scripts")
@pytest.mark.parametrize(
    ("runtime", "derived", "group"),
    [
        ("onnx", (), "serving"),
        ("onnx", ("hour",), "serving-features"),
        ("sklearn", (), "serving-sklearn"),
        ("sklearn", ("hour",), "serving-sklearn"),
    ],
)
def test_the_libraries_are_those_of_what_serves(told: Path, runtime: str, derived: tuple[str, ...], group: str) -> None:
    """And no others; a base image that is asked for takes the place of the Dockerfile's."""
    package(runtime, derived)
    assert f"served by {runtime}" in build(load_params(), "flights:1", "python@sha256:1")
    exported, built, *_ = told.read_text().splitlines()
    assert f"'--locked', '--only-group', '{group}'" in exported
    assert "'--build-arg', 'BASE=python@sha256:1'" in built
    assert built.endswith("1364817600"), "the image is not dated as the commit"


@pytest.mark.skipif(sys.platform == "win32", reason="the programs are scripts")
def test_a_library_that_the_image_would_lack_is_named(told: Path) -> None:
    """Before it is built; where ONNX Runtime serves, the estimator's library is none of it."""
    package("sklearn", library="skorch")
    with pytest.raises(ProjectError, match=r"would lack skorch, .*: `uv add --group serving-sklearn skorch`"):
        build(load_params(), "flights:1")
    assert "'build'" not in told.read_text()
    shutil.rmtree("build")
    package("onnx", library="skorch")
    assert "served by onnx" in build(load_params(), "flights:1")


@pytest.mark.skipif(sys.platform == "win32", reason="the programs are scripts")
def test_its_size_is_told_by_layer(told: Path) -> None:
    """What a new champion brings to a server that has an earlier one is the last layer."""
    package("onnx")
    said = build(load_params(), "flights:1")
    assert said.endswith("7.0 MB (system 4.6, libraries 2.0, service 0.0, model 0.4)")


def test_the_labels_are_those_of_the_commit(committed: Path) -> None:
    """The same at every time and place; work that is not committed shows."""
    found = labels(RELEASE, "onnx")
    assert found["org.opencontainers.image.revision"] == git("rev-parse", "HEAD")
    assert found["org.opencontainers.image.created"].startswith("2013-04-01T12:00:00")
    assert found["org.opencontainers.image.version"] == "3"
    assert (found["model.commit"], found["model.digest"]) == ("c" * 40, "d" * 32)
    assert (found["data.first"], found["data.last"]) == ("2013-01-01T05:15:00", "2013-03-03T23:59:00")
    assert labels(RELEASE, "onnx") == found
    Path("params.yaml").write_text("changed: true\n")
    assert labels(RELEASE, "onnx")["org.opencontainers.image.revision"].endswith(" and more")
