"""Columns that give the target away: alone, or a few together."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score, check_scoring, r2_score
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ..settings.params import Task
from ..training.scored import Array

LEAK = 0.995
"""Columns that predict the target this well probably are made of it, or known only after it."""

ROWS = 20_000
MIN_ROWS = 50
MAX_VALUES = 20
"""Of a text column with more of them the values are not looked at."""

MAX_PARTS = 4
"""So many columns are looked for together."""


def leak(column: pd.Series, kind: str, target: pd.Series, task: Task) -> str | None:
    """Why a column is suspected to give the target away, None where it is not.

    A small tree on this column alone is cross-validated: balanced accuracy for classes, R² for quantities.
    """
    chosen = sample(len(column))
    column, target = column.iloc[chosen], target.iloc[chosen]
    if len(column) < MIN_ROWS:
        return None
    if kind == "string":
        values = pd.factorize(column)[0].astype("float64")
        if len(np.unique(values)) > MAX_VALUES:
            return None
    elif kind == "datetime":
        values = column.astype("int64").where(column.notna()).to_numpy("float64")
    else:
        values = column.astype("float64").to_numpy()
    if task == "classification":
        model, score, name = DecisionTreeClassifier(max_leaf_nodes=32, random_state=0), "balanced_accuracy", "accuracy"
        truth = pd.factorize(target)[0]
        if np.bincount(truth).min() < 5:
            return None
    else:
        model, score, name = DecisionTreeRegressor(max_leaf_nodes=256, random_state=0), "r2", "R²"
        truth = target.to_numpy()
    # What does not even fit all rows cannot predict some of them from the others: thousands of columns are passed so.
    if check_scoring(model, score)(model.fit(values[:, None], truth), values[:, None], truth) < LEAK:
        return None
    order = np.random.default_rng(0).permutation(len(values))
    quality = cross_val_score(model, values[order, None], truth[order], cv=5, scoring=score).mean()
    return f"alone it predicts the target almost perfectly ({name} {quality:.3f}): a leak?" if quality > LEAK else None


def leak_of_several(columns: pd.DataFrame, target: pd.Series, task: Task) -> str | None:
    """What says that a few numeric columns together give the target away; None where none do.

    Looked for are sums (each column with a factor), and products and ratios where all is positive; for classes a limit
    of such a sum. One column after the other is added that explains most of what is left; every second row fits, the
    others judge.
    """
    chosen = sample(len(columns))
    values, truth = columns.iloc[chosen].astype("float64"), target.iloc[chosen]
    values = values.loc[:, values.notna().all() & (values.nunique() > 1)]
    if len(chosen) < MIN_ROWS or values.shape[1] < 2:
        return None
    outcome = truth.to_numpy("float64") if task == "regression" else pd.factorize(truth)[0].astype("float64")
    forms = [("a sum", values, outcome)]
    positive = values.loc[:, (values > 0).all()]
    if task == "regression" and (outcome > 0).all() and positive.shape[1] > 1:
        forms.append(("a product or ratio", positive.apply(np.log), np.log(outcome)))
    for form, table, wanted in forms:
        parts, quality = few_that_explain(table.to_numpy(), wanted, task)
        if quality > LEAK:
            *first, last = (str(table.columns[part]) for part in sorted(parts))
            named = f"{', '.join(first)} and {last} give" if first else f"{last} gives"
            score = "accuracy" if task == "classification" else "R²"
            return f"{named} {target.name} away almost exactly, as {form} ({score} {quality:.4f}): a leak?"
    return None


def few_that_explain(table: Array, outcome: Array, task: Task) -> tuple[list[int], float]:
    """(the columns of an array that explain an outcome one after the other, how well they do), `MAX_PARTS` at most."""
    order = np.random.default_rng(0).permutation(len(table))
    fit, judge = order[::2], order[1::2]
    scaled = (table - table.mean(axis=0)) / table.std(axis=0)
    parts: list[int] = []
    rest, best = outcome - outcome.mean(), 0.0
    while len(parts) < min(MAX_PARTS, table.shape[1]) and best <= LEAK:
        strength = np.abs(scaled[fit].T @ rest[fit])
        strength[parts] = -1
        parts.append(int(strength.argmax()))
        linear = LinearRegression().fit(scaled[fit][:, parts], outcome[fit])
        rest = outcome - linear.predict(scaled[:, parts])
        best = quality_of(scaled[:, parts], outcome, task, fit, judge)
    return parts, best


def quality_of(table: Array, outcome: Array, task: Task, fit: Array, judge: Array) -> float:
    """R² of a linear model, or the balanced accuracy of a logistic regression, on rows that it was not fitted on."""
    model: Any = LinearRegression() if task == "regression" else LogisticRegression(C=1e6, max_iter=1000)
    said = model.fit(table[fit], outcome[fit]).predict(table[judge])
    return float((r2_score if task == "regression" else balanced_accuracy_score)(outcome[judge], said))


def sample(rows: int) -> Array:
    """The numbers of at most `ROWS` rows, evenly spread."""
    return np.linspace(0, rows - 1, min(rows, ROWS)).astype(int)
