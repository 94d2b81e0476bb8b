"""A tiny project with the settings and code of this one, and made-up rows that keep the contract: no data is needed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlops_template.data.contract import Contract, Rule, conform, load_contract
from mlops_template.owner.modules import own_code
from mlops_template.settings import paths
from mlops_template.settings.params import Params, load_params
from mlops_template.training import train

PROJECT = Path(__file__).parents[1]
ROWS, HELD_OUT = 400, 100
WORDS = ["late", "early", "north", "south", "red", "blue", "large", "small"]


@pytest.fixture(scope="session")
def params() -> Params:
    """`params.yaml`."""
    return load_params(PROJECT / paths.PARAMS)


@pytest.fixture(scope="session")
def contract() -> Contract:
    """`contract.yaml`."""
    return load_contract(PROJECT / paths.CONTRACT)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, params: Params, contract: Contract) -> Iterator[Path]:
    """The tiny project, split and trained: the current directory of all tests."""
    folder = tmp_path_factory.mktemp("tiny")
    for name in (paths.PARAMS, paths.CONTRACT, paths.PIPELINE, Path("pyproject.toml")):
        shutil.copy(PROJECT / name, folder / name)
    shutil.copytree(PROJECT / "src", folder / "src")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        paths.TRAIN.parent.mkdir(parents=True)
        rows = make_rows(params, contract)
        rows.iloc[:-HELD_OUT].to_parquet(paths.TRAIN, index=False)
        rows.iloc[-HELD_OUT:].to_parquet(paths.HOLDOUT, index=False)
        train.main()
        yield folder


@pytest.fixture
def rows(tiny: Path, params: Params, contract: Contract) -> pd.DataFrame:
    """The rows of the tiny project, the newest last."""
    return make_rows(params, contract)


def make_rows(params: Params, contract: Contract) -> pd.DataFrame:
    """Rows as the contract has them, whose target follows from the first feature. Needs the project's directory."""
    random, columns = np.random.default_rng(0), params.columns
    rows = pd.DataFrame({name: values(rule, name, random) for name, rule in contract.columns.items()})
    for name in columns.text:
        rows[name] = [" ".join(random.choice(WORDS, 5)) for _ in range(ROWS)]
    rows[columns.id] = [f"made-up-{number}" for number in range(ROWS)]
    if columns.time:
        rows[columns.time] = pd.date_range("2024-01-01", periods=ROWS, freq="6h")
    rows = conform(rows, contract)
    first = own_code("features").add_features(rows.drop(columns=columns.target))[columns.features[0]]
    rank = pd.Series(pd.factorize(first, sort=True)[0], index=rows.index).rank(pct=True)
    rule = contract.columns[columns.target]
    if params.task == "regression":
        low, high = bounds(rule)
        rows[columns.target] = low + rank * (high - low)
    else:
        classes = rule.allowed or [False, True]
        rows[columns.target] = [classes[min(int(share * len(classes)), len(classes) - 1)] for share in rank]
    return conform(rows, contract)


def values(rule: Rule, name: str, random: np.random.Generator) -> pd.Series:
    """A column that keeps its rule; where values may be missing, some are."""
    if rule.allowed is not None:
        column = pd.Series([rule.allowed[place] for place in random.integers(0, len(rule.allowed), ROWS)])
    elif rule.type in ("number", "integer"):
        column = pd.Series(random.uniform(*bounds(rule), ROWS).round(0 if rule.type == "integer" else 6))
    elif rule.type == "boolean":
        column = pd.Series(random.random(ROWS) > 0.5)
    elif rule.type == "datetime":
        column = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 9000, ROWS), unit="h"))
    else:
        column = pd.Series([f"{name}-{number}" for number in random.integers(0, ROWS if rule.unique else 5, ROWS)])
    return column.where(random.random(ROWS) > 0.1) if rule.nullable else column


def bounds(rule: Rule) -> tuple[float, float]:
    """The range of a number."""
    low = -100.0 if rule.min is None else rule.min
    return low, low + 200.0 if rule.max is None else rule.max
