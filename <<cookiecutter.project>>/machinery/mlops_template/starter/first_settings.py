"""The first settings and contract for a table: what its size and columns suggest."""

from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from ..data.contract import Contract, Rule
from ..settings import paths
from .infer import Inferred

CONTRACT_HEADER = """\
# yaml-language-server: $schema=machinery/schemas/contract.json
# What every row must satisfy. `ingest` refuses a batch that breaks a rule, whole, and says which rows.
# Column: { type: number | integer | string | boolean | datetime, min, max, allowed: [...], nullable, unique, format }
# Ranges are those seen when the table was adopted, widened by their own length to both sides.

"""

FEW_ROWS = 2000
MANY_ROWS = 20_000
"""From here on one model is trained, for several take long, and it has enough to learn from."""

FEW_HELD_OUT = 60
MAX_SLICES = 3


def change_settings(
    document: CommentedMap, data: dict[str, Any], inferred: Inferred, rows: pd.DataFrame, names: dict[str, str | None]
) -> None:
    """Set what the table decides; other settings and the comments stay. Comments on what changed go."""
    target, classes = str(names["target"]), inferred.classes
    regression = inferred.task == "regression"
    document["task"] = inferred.task
    document["data"] = CommentedMap(
        {key: flow(value) if isinstance(value, dict) else value for key, value in data.items()}
        | {"label_delay": "0 days"}
    )
    document.yaml_set_comment_before_after_key("columns", before="\n")

    columns = document["columns"]
    columns.update(names)
    for key in ("id", "time", "target", "positive"):
        columns.ca.items.pop(key, None)
    columns.pop("positive", None)
    if len(classes) == 2:
        columns.insert(list(columns).index("target") + 1, "positive", positive_of(rows[target], classes))
    for kind in ("numeric", "categorical", "dates", "text"):
        names_of_kind = CommentedSeq([name for name, role in inferred.roles.items() if role == kind])
        if kind != "numeric":
            names_of_kind.fa.set_flow_style()
        columns[kind] = names_of_kind

    if len(classes) != 2:
        document["model"].pop("threshold", None)

    document["split"]["holdout"] = round(min(0.5, max(0.2, FEW_HELD_OUT / len(rows))), 2)
    document["model"]["candidates"] = CommentedSeq(candidates_for(len(rows), regression))

    slices = CommentedSeq(slices_of(rows, inferred))
    slices.fa.set_flow_style()
    looked_at = document.setdefault("evaluate", CommentedMap())
    looked_at["slices"] = slices
    looked_at["min_slice_rows"] = max(20, min(200, len(rows) // 50))
    if not names.get("time"):
        looked_at.pop("ages", None)
    primary, margin, slice_margin = gates_of(rows[target], inferred)
    gates = document["gates"]
    gates.update({"primary": primary, "margin": margin, "slice_margin": slice_margin, "limits": flow({})})
    if "groups" in gates:
        groups = CommentedSeq()
        groups.fa.set_flow_style()
        gates.update({"groups": groups, "group_margin": slice_margin})
    for key in ("margin", "limits"):
        gates.ca.items.pop(key, None)


def candidates_for(rows: int, regression: bool) -> list[CommentedMap]:
    """What is tried on a table: on one of few rows also linear models, and boosting that stops sooner.

    150 rounds learn such tables by heart, and then are surer of themselves than they may be.
    """
    boosting = f"sklearn.ensemble.HistGradientBoosting{'Regressor' if regression else 'Classifier'}"
    if rows >= MANY_ROWS:
        return [CommentedMap(estimator=boosting, params=flow({"max_iter": 150, "learning_rate": 0.1}))]
    linear = CommentedMap(estimator="sklearn.linear_model.Ridge", ranges=flow({"alpha": [1, 10, 100]}))
    if not regression:
        logistic = {"estimator": "sklearn.linear_model.LogisticRegression", "params": flow({"max_iter": 1000})}
        linear = CommentedMap(logistic, ranges=flow({"C": [0.01, 0.1, 1]}))
    params = {"learning_rate": 0.05, "min_samples_leaf": 5 if rows < FEW_ROWS else 20}
    rounds = CommentedMap(estimator=boosting, params=flow(params), ranges=flow({"max_iter": [50, 150]}))
    return [linear, rounds]


def positive_of(target: pd.Series, classes: list[Any]) -> Any:
    """The class whose probability is scored: True, 1, or the rarer of two names."""
    if isinstance(classes[1], str):
        return str(target.astype("str").value_counts().idxmin())
    return classes[1]


def slices_of(rows: pd.DataFrame, inferred: Inferred) -> list[str]:
    """A few columns of few values, to look at apart."""
    few = [
        name
        for name, role in inferred.roles.items()
        if (role == "categorical" or inferred.rules[name].type == "boolean") and rows[name].nunique() <= 20
    ]
    return few[:MAX_SLICES]


def gates_of(target: pd.Series, inferred: Inferred) -> tuple[str, float, float]:
    """(primary metric, margin, margin on slices): 1 % and 5 % of what the trivial baseline loses."""
    if len(inferred.classes) == 2:
        return "roc_auc", 0.01, 0.05
    if inferred.classes:
        shares = target.value_counts(normalize=True).to_numpy("float64")
        name, lost = "log_loss", float(-(shares * np.log(shares)).sum())
    else:
        name, lost = "mae", float((target - target.mean()).abs().mean())
    return name, float(f"{lost / 100:.2g}"), float(f"{lost / 20:.2g}")


def write_contract(contract: Contract) -> None:
    """`contract.yaml`, a line for each column."""
    yaml = YAML()
    yaml.width = 1000
    columns = CommentedMap({name: flow(settings_of(rule)) for name, rule in contract.columns.items()})
    text = StringIO()
    yaml.dump({"columns": columns}, text)
    paths.CONTRACT.write_text(CONTRACT_HEADER + text.getvalue(), encoding="utf-8", newline="\n")


def settings_of(rule: Rule) -> dict[str, Any]:
    """What of a rule is not its default; whole bounds without a decimal point."""
    settings = rule.model_dump(exclude_defaults=True)
    bounds = [name for name in ("min", "max") if name in settings and settings[name] % 1 == 0]
    whole: dict[str, Any] = {name: int(settings[name]) for name in bounds}
    return {**settings, **whole}


def flow(content: dict[str, Any]) -> CommentedMap:
    """A mapping written on one line: { like: this }."""
    mapping = CommentedMap(content)
    mapping.fa.set_flow_style()
    return mapping


def settings_writer() -> YAML:
    """Reads and writes `params.yaml` so that what is not changed stays as it is."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml
