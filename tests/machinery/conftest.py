"""A small project in a temporary directory, and six hundred real flights to fill it with.

The tests have settings of their own, so that they hold whatever `params.yaml` is about by now.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlops_template.data.contract import load_contract
from mlops_template.data.ingest import Ingested, ingest
from mlops_template.integrations import dvc
from mlops_template.integrations.revisions import Champion, champions
from mlops_template.render.json_file import write_json
from mlops_template.settings import paths
from mlops_template.integrations.git import git
from mlops_template.settings.params import load_params
from mlops_template.storage import storage
from ruamel.yaml import YAML

from .project import write_package

SETTINGS: dict[str, Any] = {
    "task": "classification",
    "data": {"source": "files", "files": {"paths": ["incoming/*"]}},
    "columns": {
        "id": "flight_id",
        "time": "departure",
        "target": "late",
        "positive": 1,
        "numeric": ["distance", "departure_minute", "wind_gust"],
        "categorical": ["carrier", "origin"],
    },
    "split": {"holdout": "28 days"},
    "model": {"candidates": [{"estimator": "sklearn.ensemble.HistGradientBoostingClassifier"}]},
    "gates": {"primary": "roc_auc"},
}

CONTRACT: dict[str, Any] = {
    "flight_id": {"type": "string", "unique": True},
    "departure": {"type": "datetime"},
    "carrier": {"type": "string"},
    "origin": {"type": "string", "allowed": ["EWR", "JFK", "LGA"]},
    "distance": {"type": "integer", "min": 0, "max": 6000},
    "departure_minute": {"type": "integer", "min": 0, "max": 1439},
    "wind_gust": {"type": "number", "min": 0, "max": 300, "nullable": True},
    "late": {"type": "integer", "allowed": [0, 1]},
    "arrival_delay": {"type": "number"},
}

CONFIG = "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ../.storage\n"

Change = Callable[..., None]
Deliver = Callable[..., Path]
Take = Callable[[], Ingested]
Clone = Callable[..., Path]


@pytest.fixture(autouse=True, scope="session")
def _outside_actions() -> Iterator[None]:
    """The same in a job as on a laptop: no test writes to the job's summary or outputs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GITHUB_")]:
            patch.delenv(name)
        yield


@pytest.fixture(params=["classification", "regression"])
def task(request: pytest.FixtureRequest) -> str:
    """Both tasks, for tests that ask for it."""
    return str(request.param)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: a project about flights, whose fresh files come into `incoming`, without data."""
    monkeypatch.chdir(tmp_path)
    write_package(tmp_path)
    YAML().dump(SETTINGS, tmp_path / "params.yaml")
    YAML().dump({"columns": CONTRACT}, tmp_path / "contract.yaml")
    return tmp_path


@pytest.fixture
def change(project: Path) -> Change:
    """`change(split={"holdout": 0.2}, task="regression")` merges settings into `params.yaml`."""
    settings = deepcopy(SETTINGS)

    def merge(**sections: Any) -> None:
        for name, content in sections.items():
            settings[name] = {**settings[name], **content} if isinstance(content, dict) else content
        YAML().dump(settings, project / "params.yaml")

    return merge


@pytest.fixture
def flights() -> pd.DataFrame:
    """Every 130th flight that left New York from January to March of 2013."""
    table = pd.read_csv(Path(__file__).parent / "data" / "flights.csv", parse_dates=["departure"])
    return table[list(CONTRACT)]


@pytest.fixture
def deliver(project: Path) -> Deliver:
    """`deliver(rows, "a.csv")` writes a file where the project's source looks for fresh ones."""

    def write(rows: pd.DataFrame, name: str = "a.csv") -> Path:
        path = project / "incoming" / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".parquet":
            rows.to_parquet(path, index=False)
        else:
            rows.to_csv(path, index=False)
        return path

    return write


@pytest.fixture
def take(project: Path) -> Take:
    """`ingest` with the settings as they are now."""
    return lambda: ingest(load_params(), load_contract())


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `first`, a project with one version of its data, and with `origin`, to which it was pushed."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "first" / ".dvc").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        without_settings_of_the_machine(patch, folder)
        patch.chdir(folder / "first")
        git("init", "--quiet", "--bare", "--initial-branch=main", "../origin")
        shutil.copy(Path(__file__).parent / "data" / "pyproject.toml", "pyproject.toml")
        Path(".dvc/config").write_text(CONFIG)
        Path(".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
        Path(".gitignore").write_text("/.storage\n/data/raw\n")
        git("init", "--quiet", "--initial-branch=main")
        git("remote", "add", "origin", "../origin")
        save("a", "rows of a\n")
        storage.push_first()
    return folder


def without_settings_of_the_machine(patch: pytest.MonkeyPatch, home: Path) -> None:
    """No identity, hook or signature of the one who runs the tests."""
    patch.setenv("HOME", str(home))
    patch.setenv("GIT_CONFIG_GLOBAL", str(home / "no-config"))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def first(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shared project, beside its origin; the current directory."""
    return copied(shared, tmp_path, monkeypatch)


def copied(shared: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """A copy of `first` beside a copy of its origin, in which to work."""
    without_settings_of_the_machine(patch, folder)
    shutil.copytree(shared, folder, symlinks=True, dirs_exist_ok=True)
    patch.chdir(folder / "first")
    git("remote", "set-url", "origin", str(folder / "origin"))
    return folder / "first"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """What GitHub would be."""
    return tmp_path / "origin"


@pytest.fixture
def clone(tmp_path: Path, origin: Path) -> Clone:
    """`clone("second", "--depth=1")` brings a copy of what is at origin."""

    def clone(name: str, *options: str) -> Path:
        git("clone", "--quiet", *options, origin.as_uri(), str(tmp_path / name))
        return tmp_path / name

    return clone


def save(name: str, text: str) -> None:
    """A partition, versioned and committed."""
    Path("data/raw").mkdir(parents=True, exist_ok=True)
    Path("data/raw", name).write_bytes(text.encode())
    dvc.add(Path("data/raw"))
    git("add", "--all")
    git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message", name)


def rows(name: str) -> str:
    """What a partition holds, to the last byte."""
    return Path("data/raw", name).read_bytes().decode()


ADA = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")


@pytest.fixture
def promoted(first: Path) -> list[Champion]:
    """The current directory: a project with two champions on main."""
    for number in (1, 2):
        paths.CHAMPION.mkdir(parents=True, exist_ok=True)
        (paths.CHAMPION / "model").write_text(f"model {number}")
        dvc.add(paths.CHAMPION)
        measured = {"roc_auc": {"value": 0.7 + number / 100, "low": 0.6, "high": 0.8}}
        write_json(paths.METRICS, {"rows": 100, "window": {"first": None, "last": None}, "model": measured})
        paths.MODEL_CARD.write_text(f"# The card of {number}\n")
        git("add", "--all")
        git(*ADA, "commit", "--quiet", "--message", f"Promote {number}")
    return champions()
