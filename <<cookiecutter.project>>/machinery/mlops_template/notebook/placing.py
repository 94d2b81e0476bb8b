"""What of a notebook belongs where in a project: read from its code, which is not run and not changed."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from ..errors import ProjectError

FEATURES, PIPELINE, METRICS = "features.py", "pipeline.py", "metrics.py"
PARAMS, CONTRACT, ADOPT, NOWHERE, UNREAD = "params.yaml", "contract.yaml", "adopt", "nowhere", "not read"

PLACES = {
    ADOPT: "makes the project about a table of your own: `adopt TABLE --target COLUMN`",
    PARAMS: "columns, candidates, split, threshold, gates",
    CONTRACT: "what every row must satisfy: types, limits, missing values",
    FEATURES: "columns derived from the row itself, in `add_features`",
    PIPELINE: "what is learned from rows, in `make_pipeline`: fitted on training rows only, and part of the model",
    METRICS: "ways to measure of your own",
    NOWHERE: "the machinery does it",
    UNREAD: "what is no Python",
}
"""In the order in which they are told."""

STEPS = ("preprocessing", "impute", "compose", "pipeline", "feature_extraction", "feature_selection", "decomposition")
"""Modules of scikit-learn whose classes are steps of a pipeline."""

SEARCHES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "BayesSearchCV")
SPLITS = (
    *("train_test_split", "KFold", "StratifiedKFold", "GroupKFold", "ShuffleSplit", "TimeSeriesSplit"),
    *("cross_val_score", "cross_val_predict", "cross_validate"),
)
MODELS = ("sklearn", "lightgbm", "xgboost", "catboost", "skorch", "imblearn")
"""Libraries of estimators."""

ESTIMATORS = ("Classifier", "Regressor")
"""How their names end in libraries that have other classes, too, such as xgboost's DMatrix."""

OTHER_ROWS = {"mean", "median", "std", "var", "quantile", "mode", "rank", "groupby", "transform"}
"""Methods by which a value comes from other rows, to be learned from training rows."""

NEIGHBOURS = {"shift", "rolling", "expanding", "ewm", "diff", "cumsum", "cumcount", "pct_change"}
"""Methods by which a value comes from rows before it, which a request does not have."""

MEASURED = {
    "roc_auc_score": "roc_auc",
    "average_precision_score": "average_precision",
    "log_loss": "log_loss",
    "brier_score_loss": "brier",
    "accuracy_score": "accuracy",
    "f1_score": "f1",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "r2_score": "r2",
    "mean_absolute_percentage_error": "mape",
}
"""By the names in scikit-learn."""

FILTERS = {"dropna", "query", "drop_duplicates"}
SAVES = {"dump", "save_model"}
LEFT_OUT = {"random_state", "seed", "n_jobs", "verbose"}
"""Parameters of estimators that `model.seed` and `model.threads` set for all, or that say nothing of the model."""

MAGIC = re.compile(r"^(\s*)(?:%[a-zA-Z%].*|[!?].*)$|(?<==) *[!%][a-zA-Z].*$", re.MULTILINE)
"""What is for IPython: a line, or what a name is set to."""

ANOTHER_LANGUAGE = re.compile(r"\s*%%(?!time|timeit|capture|prun)")

UNKNOWN = object()
"""A value that only running the code would tell."""

TARGETS = re.compile(r"y|y_(train|all|full)|target|labels?")
MAX_CODE = 70


@dataclass(frozen=True)
class Finding:
    """Something in a notebook that has a place in the project."""

    cell: int
    """From 1, among those of code."""
    code: str
    """Its line, shortened."""
    place: str
    """One of `PLACES`."""
    advice: str
    """What to do with it."""


def findings(notebook: Path) -> list[Finding]:
    """What belongs somewhere, by place and in order. Raises ProjectError where the file is no notebook."""
    reader = Reader()
    for number, source in enumerate(cells_of(notebook), start=1):
        reader.read(number, source)
    order, target = list(PLACES), f"--target {quote(reader.target or 'COLUMN')}"
    found = [replace(one, advice=one.advice.replace("--target COLUMN", target)) for one in reader.found]
    return sorted(dict.fromkeys(found), key=lambda one: (order.index(one.place), one.cell))


def cells_of(notebook: Path) -> list[str]:
    """The code of each cell; that of a script is one. Raises ProjectError where it cannot be read."""
    try:
        text = notebook.read_text(encoding="utf-8")
    except OSError as error:
        raise ProjectError(f"{notebook} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ProjectError(f"{notebook} cannot be read: it is not UTF-8") from None
    if notebook.suffix == ".py":
        return [text]
    try:
        cells = json.loads(text)["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        raise ProjectError(f"{notebook} is no notebook of version 4: give a .ipynb file, or a script") from None
    return ["".join(source) for source in sources]


class Reader:
    """Reads cells in their order, so that names that one imports are known in the next."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self.names: dict[str, str] = {}
        """What was imported, by its name in the notebook: the dotted path."""
        self.target = ""
        """The column that is predicted, once it was picked."""

    def read(self, number: int, source: str) -> None:
        """One cell; lines that are for IPython are left out. What is no Python is told as such."""
        if ANOTHER_LANGUAGE.match(source):
            return
        python = MAGIC.sub(lambda found: " None" if found[1] is None else f"{found[1]}pass", source)
        try:
            tree = ast.parse(python)
        except SyntaxError as error:
            line = (source.splitlines() or [""])[(error.lineno or 1) - 1]
            self.found.append(
                Finding(number, line[:MAX_CODE], UNREAD, "the whole cell was passed over: correct it, and ask again")
            )
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for one in node.names:
                    top = one.name.partition(".")[0]
                    self.names[one.asname or top] = one.name if one.asname else top
            elif isinstance(node, ast.ImportFrom):
                self.names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        for node in ast.walk(tree):
            for place, advice in self.look_at(node):
                code = " ".join((ast.get_source_segment(python, node) or "").split())
                short = code if len(code) <= MAX_CODE else f"{code[: MAX_CODE - 1]}…"
                self.found.append(Finding(number, short, place, advice))

    def look_at(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        """(place, advice) of what a piece of code is."""
        if isinstance(node, ast.Call):
            yield from self.of_call(node)
        elif isinstance(node, ast.Assign):
            yield from self.of_assignment(node)
        elif isinstance(node, ast.FunctionDef):
            yield from self.of_function(node)
        elif isinstance(node, ast.Compare) and "predict_proba" in names_within(node):
            yield PARAMS, "`model.threshold`: a probability, or the name of a metric to be best at"

    def path_of(self, node: ast.expr) -> str:
        """The dotted path of what is called, as far as imports tell; else the names as they stand."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        parts.append(self.names.get(node.id, node.id) if isinstance(node, ast.Name) else "")
        return ".".join(reversed(parts))

    def of_call(self, call: ast.Call) -> Iterator[tuple[str, str]]:
        path = self.path_of(call.func)
        library, name = path.partition(".")[0], path.rpartition(".")[2]
        module = path.split(".")[1] if path.count(".") > 1 else ""
        if library == "pandas" and name.startswith("read_"):
            yield ADOPT, f"`adopt {quote(literal_text(call) or 'TABLE')} --target COLUMN`; later rows come by `ingest`"
        elif name in SEARCHES:
            yield PARAMS, f"`ranges` of the candidate under `model.candidates`{grid_of(call)}"
        elif name in SPLITS:
            yield PARAMS, "`split.holdout` and `search.folds`: the newest rows are held out, folds are in order of time"
        elif library == "sklearn" and module == "metrics" and name != "make_scorer":
            yield of_metric(name)
        elif name == "make_scorer":
            yield METRICS, "a function in `METRICS`, and its name under `gates`"
        elif library == "sklearn" and module in STEPS:
            yield PIPELINE, "a step of `make_pipeline`"
        elif library in MODELS and name[:1].isupper() and (library == "sklearn" or name.endswith(ESTIMATORS)):
            yield PARAMS, candidate(path, call)
        elif library == "mlflow":
            yield NOWHERE, "`run` logs parameters, metrics and the model to MLflow"
        elif (name in SAVES and library in ("joblib", "pickle", "")) or name == "save_model":
            yield NOWHERE, "`train` writes the model, and DVC keeps each version"
        elif name == "drop" and any(one.arg == "columns" for one in call.keywords):
            yield PARAMS, "leave them out of `columns`: only what is named there is given to the model"
        elif name in FILTERS and isinstance(call.func, ast.Attribute):
            yield CONTRACT, "rows that do not count are refused by a rule, or left out where the data comes from"
        elif name == "assign" and isinstance(call.func, ast.Attribute):
            yield from derived(call)

    def of_assignment(self, node: ast.Assign) -> Iterator[tuple[str, str]]:
        target = node.targets[0]
        column = column_of(target)
        if column is not None:
            called = {name.rpartition(".")[2] for name in names_within(node.value)}
            if called & {"to_datetime", "astype", "to_numeric"}:
                yield CONTRACT, f"the type of `{column}`, and its `format` where it is written in another way"
            else:
                yield from derived(node.value)
        elif isinstance(target, ast.Name) and TARGETS.fullmatch(target.id) and (picked := picked_column(node.value)):
            self.target = self.target or picked
            yield PARAMS, f"`columns.target: {picked}`"

    def of_function(self, node: ast.FunctionDef) -> Iterator[tuple[str, str]]:
        arguments = [one.arg for one in node.args.args]
        if len(arguments) >= 2 and re.search("true|actual|y", arguments[0]) and re.search("pred|hat", arguments[1]):
            yield METRICS, "a function in `METRICS`, and its name under `gates`"


def of_metric(name: str) -> tuple[str, str]:
    """What a metric of scikit-learn is here."""
    here = MEASURED.get(name)
    if here:
        return PARAMS, f"`gates.primary: {here}`, which is measured already"
    return METRICS, f"`{name}` is not measured: a function in `METRICS` may call it"


def derived(value: ast.expr) -> Iterator[tuple[str, str]]:
    """Where the computation of a column belongs, by what it looks at."""
    used = {name.rpartition(".")[2] for name in names_within(value)}
    if used & NEIGHBOURS:
        yield FEATURES, "it looks at rows before: a request has one row, so have it computed where the data comes from"
    elif used & OTHER_ROWS:
        yield PIPELINE, "it is learned from rows: by a step of `make_pipeline`, such as SimpleImputer"
    else:
        yield FEATURES, "a column in `add_features`, and its name under `columns` in params.yaml"


def candidate(path: str, call: ast.Call) -> str:
    """An estimator as a line of params.yaml."""
    values = {one.arg: literal(one.value) for one in call.keywords if one.arg and one.arg not in LEFT_OUT}
    settings = ", ".join(f"{name}: {json.dumps(value)}" for name, value in values.items() if value is not UNKNOWN)
    unknown = [name for name, value in values.items() if value is UNKNOWN]
    line = f"`- estimator: {public(path)}`" + (f" with `params: {{ {settings} }}`" if settings else "")
    return f"{line} under `model.candidates`" + (f"; {', '.join(unknown)} is no plain value" if unknown else "")


def public(path: str) -> str:
    """A dotted path without private parts."""
    return ".".join(part for part in path.split(".") if not part.startswith("_"))


def grid_of(call: ast.Call) -> str:
    """The grid of a search, where it is written out."""
    named = [one.value for one in call.keywords if one.arg in ("param_grid", "param_distributions")]
    for value in [*call.args[1:2], *named]:
        if isinstance(grid := literal(value), dict):
            tried = [f"`{str(name).rpartition('__')[2]}: {json.dumps(values)}`" for name, values in grid.items()]
            return ": " + ", ".join(tried)
    return ""


def column_of(target: ast.expr) -> str | None:
    """The column that `df["x"] = …` or `df.loc[…, "x"] = …` sets."""
    if not isinstance(target, ast.Subscript):
        return None
    place = target.slice.elts[-1] if isinstance(target.slice, ast.Tuple) and target.slice.elts else target.slice
    return place.value if isinstance(place, ast.Constant) and isinstance(place.value, str) else None


def picked_column(value: ast.expr) -> str | None:
    """The column that `df["x"]`, `df.x` or `df.pop("x")` gives."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "pop":
        return literal_text(value)
    if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
        return value.attr
    return column_of(value)


def names_within(node: ast.AST) -> set[str]:
    """Names and attributes in a piece of code."""
    attributes = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
    return attributes | {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def literal(node: ast.expr) -> Any:
    """The value that is written out, `UNKNOWN` where none is."""
    try:
        value = ast.literal_eval(node)
        json.dumps(value)
    except (ValueError, TypeError, SyntaxError):
        return UNKNOWN
    return value


def literal_text(call: ast.Call) -> str | None:
    """The first argument, where it is a text."""
    value = literal(call.args[0]) if call.args else UNKNOWN
    return value if isinstance(value, str) else None


def told(found: list[Finding], say: Callable[[str], None]) -> None:
    """Say what belongs where."""
    for place, what in PLACES.items():
        here = [one for one in found if one.place == place]
        if here:
            say(f"\n{place}: {what}")
            for one in here:
                say(f"  cell {one.cell}: {one.code}\n    {one.advice}")
