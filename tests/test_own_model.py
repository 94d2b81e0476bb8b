"""docs/own-model.md: every snippet of it is put into a project, trained, promoted, served, and packaged."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest
from production import free_port, served, serving
from ruamel.yaml import YAML

from conftest import Bake
from pages import Block, blocks, settle
from support import cli, clone_of, commit, environment, missing, run, uv_run

pytestmark = pytest.mark.slow

TORCH = "2.13.0"
AS_IN_THE_IMAGE = """
import json
from pathlib import Path
from mlops_template.deploy import image
card = json.loads(Path("build/model/card.json").read_text())
image.copy_service()
image.lock_requirements(image.group_of(json.loads(Path("build/model/serving.json").read_text())["runtime"], card))
"""


@pytest.fixture(scope="module")
def clone(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project about a small table with every kind of column; any model that has learned something is promoted."""
    clone = clone_of(project, tmp_path_factory.mktemp("own_model"), project.name)
    table().to_csv(clone / "table.csv", index=False)
    cli(clone, "adopt", "table.csv", "--target", "bought", "--time", "at")
    settle(clone, {"gates": {"margin": 1.0, "slice_margin": 1.0, "limits": {}}, "evaluate": {"n_bootstrap": 100}})
    commit(clone, "A table of my own")
    return clone


@pytest.fixture(scope="module")
def page(clone: Path) -> list[Block]:
    return blocks(clone / "docs" / "own-model.md")


def table() -> pd.DataFrame:
    """Purchases, of which price, shop and day tell much."""
    random, rows = np.random.default_rng(0), 1000
    at = pd.date_range("2024-01-01", periods=rows, freq="h")
    price, shop = random.uniform(1, 20, rows).round(2), random.choice(["north", "south", "west"], rows)
    chance = 3.0 * (shop == "south") - price / 4 + 2 * (at.weekday >= 5) + random.normal(0, 0.5, rows)
    columns = {"at": at, "price": price, "shop": shop, "weekend": at.weekday >= 5, "bought": (chance > 0).astype(int)}
    return pd.DataFrame(columns).assign(price=lambda rows: rows["price"].where(random.random(len(rows)) > 0.05))


def follow(project: Path, page: list[Block], heading: str) -> str:
    """Do what the page says under a heading, then what it says of every model. Returns what the last commands said."""
    for block in page:
        if block.heading != heading:
            continue
        if block.language == "yaml":
            settle(project, YAML(typ="safe").load(block.text))
        elif block.language == "python":
            next(project.glob("src/*/features.py")).with_name("network.py").write_text(block.text, encoding="utf-8")
        else:
            for command in block.commands:
                run(*shlex.split(command), cwd=project)
    said = []
    for command in page[0].commands[:-1]:
        said.append(run(*shlex.split(command), cwd=project))
    assert page[0].commands[-1] == f"uv run {project.name} serve"
    return "".join(said)


def predicts_as_the_pipeline(address: str, project: Path) -> None:
    """The golden predictions are those of the pipeline, made in training."""
    golden = json.loads((project / "models" / "champion" / "golden.json").read_text(encoding="utf-8"))
    body = json.dumps(golden["rows"]).encode()
    request = Request(f"{address}/predict", body, {"Content-Type": "application/json"})
    predictions = json.loads(urlopen(request, timeout=30).read())["predictions"]
    assert len(golden["rows"]) == 10
    for predicted, expected in zip(predictions, golden["predictions"], strict=True):
        assert {name: predicted[name] for name in expected} == pytest.approx(expected, abs=1e-4)


@contextmanager
def packaged(project: Path, folder: Path, *options: str | Path) -> Iterator[str]:
    """The address of the service as the image runs it: of the package, with the image's libraries and no others."""
    uv_run(project, "python", "-c", AS_IN_THE_IMAGE)
    run("uv", "venv", "--quiet", "--python", project / ".venv", folder / "venv", cwd=project)
    options += ("--quiet", "--no-deps", "--python", folder / "venv", "-r", "build/requirements.txt")
    run("uv", "pip", "install", *options, cwd=project)
    variables = {"PYTHONPATH": str(project / "build" / "service"), "MODEL_DIR": str(project / "build" / "model")}
    port = free_port()
    variables |= {"HOST": "127.0.0.1", "PORT": str(port), "PYTHONSAFEPATH": "1"}
    command = [folder / "venv" / "bin" / "python", "-m", "mlops_template.serving"]
    with served(subprocess.Popen(command, cwd=folder, env=environment(**variables)), port) as address:
        yield address


@pytest.mark.parametrize(
    ("heading", "estimator", "runtime"),
    [
        ("scikit-learn", None, "ONNX Runtime; of"),
        ("LightGBM", "LGBMClassifier", "ONNX Runtime; of"),
        ("XGBoost", "XGBClassifier", "ONNX Runtime; of"),
    ],
)
def test_a_model_of_a_library_is_converted(
    heading: str, estimator: str | None, runtime: str, clone: Path, page: list[Block], tmp_path: Path
) -> None:
    said = follow(clone, page, heading)
    card = json.loads((clone / "models" / "champion" / "card.json").read_text(encoding="utf-8"))
    if estimator is None:
        tried = {one["estimator"].rpartition(".")[2] for one in card["search"]}
        assert tried == {"LogisticRegression", "RandomForestClassifier"} and len(card["search"]) == 10
    else:
        assert card["estimator"].endswith(f".{estimator}") and len(card["versions"]) == 7
    assert f"served by {runtime}" in said
    with serving(clone) if estimator != "XGBClassifier" else packaged(clone, tmp_path) as address:
        predicts_as_the_pipeline(address, clone)


def test_several_workers_fit_a_model_like_any_other(clone: Path, page: list[Block]) -> None:
    """Processes of this machine, since no cluster is named; it trains again to the same bytes."""
    said = follow(clone, page, "More rows than one machine can train on")
    assert re.search(r"trained LGBMClassifier on \d+ rows by 2 workers", said)
    assert "served by ONNX Runtime; of" in said
    card = json.loads((clone / "models" / "champion" / "card.json").read_text(encoding="utf-8"))
    assert card["workers"] == 2
    assert "the same bytes" in cli(clone, "reproduce", "champion")
    settle(clone, {"model": {"workers": None}})


def test_a_network_is_a_model_like_any_other(clone: Path, page: list[Block], tmp_path: Path) -> None:
    """The pipeline serves it, with PyTorch in the image; it trains again to the same bytes."""
    name_index(clone, tmp_path)
    said = follow(clone, page, "PyTorch")
    assert re.search(r"served by the scikit-learn pipeline, because .* no converter for Network\)", said)
    assert "the same bytes" in cli(clone, "reproduce", "champion")
    with packaged(clone, tmp_path, "--find-links", tmp_path / "wheels") as address:
        predicts_as_the_pipeline(address, clone)
    uv_run(clone, "ruff", "check", "src")
    uv_run(clone, "ruff", "format", "--check", "src")
    uv_run(clone, "mypy")


def test_a_network_predicts_numbers(clone: Path, bake: Bake) -> None:
    """The module of the page of a project with regression, in the environment that has PyTorch by now."""
    [program] = [
        one.text for one in blocks(bake(task="regression") / "docs" / "own-model.md") if one.language == "python"
    ]
    program += """
rows = np.random.default_rng(0).normal(size=(2000, 3))
model = Network(epochs=20).fit(rows, 100 + 5 * rows[:, 0])
predicted = model.predict(rows)
print(predicted.shape, bool(np.abs(predicted - 100 - 5 * rows[:, 0]).mean() < 1))
"""
    assert uv_run(clone, "python", "-c", program).endswith("(2000,) True\n")


def name_index(project: Path, folder: Path) -> None:
    """Name an index with PyTorch's build for CPUs, as uv's guide says: what pip is set up to find, else uv's own."""
    python = (project / ".python-version").read_text(encoding="utf-8").strip()
    wanted = ("--no-deps", "--only-binary", ":all:", "--python-version", python, f"torch=={TORCH}+cpu")
    (folder / "wheels").mkdir()
    run("pip", "download", "--quiet", *wanted, "--dest", folder / "wheels", cwd=folder, check=False)
    if any(folder.glob("wheels/torch-*")):
        index = f'url = "{(folder / "wheels").as_posix()}"\nformat = "flat"'
    else:
        (folder / "torch.in").write_text(f"torch=={TORCH}\n", encoding="utf-8")
        options = ("--torch-backend", "cpu", "--no-deps", "--no-header", "--emit-index-annotation", "--quiet")
        found = run("uv", "pip", "compile", *options, "torch.in", cwd=folder, check=False)
        address = re.search(r"^ *# from (https://\S+)", found, re.MULTILINE)
        if address is None:
            missing("PyTorch's build for CPUs", f"let pip find it (PIP_FIND_LINKS), or uv reach its index: {found}")
        index = f'url = "{address[1]}"'
    settings = project / "pyproject.toml"
    text = settings.read_text(encoding="utf-8")
    named = f'[[tool.uv.index]]\nname = "pytorch-cpu"\n{index}\nexplicit = true\n\n[tool.uv.sources]\n'
    text = text.replace("[tool.uv.sources]\n", f'{named}torch = {{ index = "pytorch-cpu" }}\n')
    settings.write_text(text, encoding="utf-8")
