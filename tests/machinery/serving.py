"""A packaged model with every kind of column, and a way to ask its service without a network."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.data.contract import conform, load_contract
from mlops_template.deploy.package import fill
from mlops_template.serving.routes import create
from mlops_template.serving.environment import Settings
from mlops_template.serving.service import Service
from mlops_template.settings import paths
from mlops_template.settings.params import load_params
from mlops_template.training import train
from mlops_template.render.json_file import write_json
from ruamel.yaml import YAML
from starlette.types import ASGIApp

from .project import write_package

SETTINGS: dict[str, Any] = {
    "task": "classification",
    "data": {"source": "sample"},
    "columns": {
        "id": "id",
        "target": "bought",
        "numeric": ["price", "stück zahl", "new"],
        "categorical": ["shop", "member", "floor"],
        "dates": ["birthday"],
    },
    "split": {"holdout": 0.25},
    "model": {
        "threads": 1,
        "candidates": [{"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 10}}],
    },
    "gates": {"primary": "roc_auc"},
    "serving": {"max_rows": 200, "max_body_mb": 0.1},
}
CONTRACT: dict[str, Any] = {
    "id": {"type": "string", "unique": True},
    "price": {"type": "number", "min": 0, "max": 100, "nullable": True},
    "stück zahl": {"type": "integer", "min": 1, "max": 9},
    "new": {"type": "boolean"},
    "shop": {"type": "string", "nullable": True},
    "member": {"type": "boolean"},
    "floor": {"type": "integer", "allowed": [1, 2, 3], "nullable": True},
    "birthday": {"type": "datetime", "format": "%d/%m/%Y", "nullable": True},
    "bought": {"type": "integer", "allowed": [0, 1]},
}
ROW = {
    "price": 9.5,
    "stück zahl": 2,
    "new": True,
    "shop": "north",
    "member": False,
    "floor": 3,
    "birthday": "24/12/1979",
}
"""A row as a request has it."""


def purchases(rows: int = 600) -> pd.DataFrame:
    """Purchases with every kind of column, and gaps."""
    random = np.random.default_rng(0)
    price, shop = random.uniform(1, 20, rows), random.choice(["north", "south", "a:b"], rows)
    floor = random.integers(1, 4, rows)
    days = random.integers(0, 9000, rows)
    late = days > 4000
    bought = price + 3 * (shop == "south") + 2 * floor + 4 * late + random.normal(0, 2, rows) > 17
    table = pd.DataFrame(
        {
            "id": [f"r{number}" for number in range(rows)],
            "price": price,
            "stück zahl": random.integers(1, 5, rows),
            "new": random.random(rows) > 0.5,
            "shop": shop,
            "member": random.random(rows) > 0.5,
            "floor": floor.astype(float),
            "birthday": (pd.Timestamp("1980-01-01") + pd.to_timedelta(days, unit="D")).strftime("%d/%m/%Y"),
            "bought": bought.astype(int),
        }
    )
    for name in ("price", "shop", "floor", "birthday"):
        table[name] = table[name].where(random.random(rows) > 0.1)
    return table


def make_package(folder: Path, runtime: str = "onnx", features: str = "") -> Path:
    """A project in `folder` with a model, and its package: by the pipeline itself where `runtime` is sklearn.

    `features` is a module that derives the category `storey` from `floor`, which is known in each row of training.
    """
    settings, bought = dict(SETTINGS), purchases()
    if features:
        settings["columns"] = {**SETTINGS["columns"], "categorical": ["shop", "member", "storey"]}
        bought["floor"] = bought["floor"].fillna(1)
    if runtime == "sklearn":
        estimator = {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 10}}
        settings["model"] = {"threads": 1, "candidates": [estimator]}
        settings["serving"] = {**SETTINGS["serving"], "parity": {"tolerance": 1e-300, "differing": 0.0}}
    (folder / "data/split").mkdir(parents=True)
    write_package(folder, **({"features": features} if features else {}))
    YAML().dump(settings, folder / paths.PARAMS)
    YAML().dump({"columns": CONTRACT}, folder / paths.CONTRACT)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        table = conform(bought, load_contract())
        table.iloc[:450].to_parquet(paths.TRAIN, index=False)
        table.iloc[450:].to_parquet(paths.HOLDOUT, index=False)
        train.main()
        paths.PACKAGE.mkdir(parents=True)
        fill(paths.PACKAGE, paths.CHALLENGER, load_params())
        released = {"version": 7, "commit": "c0ffee", "digest": "d1.dir", "window": {}, "metrics": {"roc_auc": 0.8}}
        write_json(paths.PACKAGE / "release.json", released)
    return folder


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


def serve() -> ASGIApp:
    """The challenger's service."""
    paths.PACKAGE.mkdir(parents=True, exist_ok=True)
    fill(paths.PACKAGE, paths.CHALLENGER, load_params())
    write_json(paths.PACKAGE / "release.json", {"version": 1, "commit": "c", "digest": "d", "window": {}, "metrics": {}})
    service = Service(Settings(model_dir=paths.PACKAGE))
    service.start()
    assert service.reason() is None
    return create(service)


def ask(app: ASGIApp, path: str, content: Any = None, **options: Any) -> Reply:
    """GET a path, or POST some content as JSON; see `asked`."""
    return asyncio.run(asked(app, path, content, **options))


def ask_at_once(app: ASGIApp, path: str, contents: Sequence[Any]) -> list[Reply]:
    """POST several contents, none of which waits for the answer to another."""

    async def all_of_them() -> list[Reply]:
        return list(await asyncio.gather(*(asked(app, path, content) for content in contents)))

    return asyncio.run(all_of_them())


async def asked(
    app: ASGIApp,
    path: str,
    content: Any = None,
    parts: Sequence[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """GET a path, or POST some content as JSON, or the parts of a body as they come."""
    if parts is None:
        parts = [b"" if content is None else json.dumps(content).encode()]
    sent = {"content-type": "application/json"} if headers is None else headers
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if path in ("/predict", "/feedback") else "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    coming = [
        {"type": "http.request", "body": part, "more_body": place < len(parts) - 1} for place, part in enumerate(parts)
    ]
    gone: list[Any] = []

    async def receive() -> Any:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        gone.append(message)

    await app(scope, receive, send)
    start, *bodies = gone
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], found, b"".join(message.get("body", b"") for message in bodies))
