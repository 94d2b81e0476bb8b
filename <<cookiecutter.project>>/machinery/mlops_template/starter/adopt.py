"""Making the project about a table of the user's own: settings, contract and data follow from its columns."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from ..data import partitions
from ..data.contract import EXACT, FORMATS, Contract, Rule, conform
from ..data.ingest import accept
from ..data.sources import (
    GENERATED_ID,
    Batch,
    HeldRows,
    expand,
    is_parquet,
    number_equal,
    read_file,
    read_files,
    read_sql,
    texts_of,
    with_ids,
)
from ..errors import ProjectError
from ..integrations import git
from ..owner.package import own_code
from ..render.markdown import code
from ..serving.model_code import FEATURES
from ..settings import paths
from ..settings.params import Files, Params, Sql, describe
from . import no_features
from .column_type import has_thousands, number_format
from .infer import Inferred, infer, nearly_numbers

CONTRACT_HEADER = """\
# yaml-language-server: $schema=machinery/schemas/contract.json
# What every row must satisfy. `ingest` refuses a batch that breaks a rule, whole, and says which rows.
# Column: { type: number | integer | string | boolean | datetime, min, max, allowed: [...], nullable, unique, format }
# Ranges are those seen when the table was adopted, widened by their own length to both sides.

"""

FEW_ROWS = 2000
MANY_ROWS = 20_000
"""From here on one model is trained, for several take long, and it has enough to learn from."""

README, PYPROJECT = Path("README.md"), Path("pyproject.toml")
SAMPLES = ("Will this flight arrive late?", "How many minutes late will this flight arrive?")
"""What the template's default descriptions say."""

FEW_HELD_OUT = 60
MAX_SLICES = 3

PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
"""A name that no database needs to have quoted."""


@dataclass(frozen=True)
class Adopted:
    """What was made of a table."""

    rows: int
    inferred: Inferred
    warnings: list[str]

    def __str__(self) -> str:
        inferred = self.inferred
        classes = f" of {len(inferred.classes)} classes" if inferred.classes else ""
        lines = [f"took {self.rows:,} rows: {inferred.task}{classes} from {len(inferred.roles)} features"]
        lines += [f"  left out {name}: {reason}" for name, reason in inferred.left_out.items()]
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])


def adopt(
    table: str, target: str, time: str | None = None, id_column: str | None = None, formats: Sequence[str] = ()
) -> Adopted:
    """Write `params.yaml` (its comments kept) and `contract.yaml` for a table, and take in its rows.

    `table` is a CSV or Parquet file, a glob or URL of such files, or `DATABASE-URL::TABLE`, where the URL may be
    `env:NAME`. `formats`: COLUMN=FORMAT, as in contract.yaml, where it cannot be seen how texts are written.
    Whatever is wrong with the table, ProjectError is raised and the project is as it was.
    """
    name_of_id = id_column or GENERATED_ID
    written = dict(format_of(text) for text in formats)
    data, rows = read(table, [*written, *([id_column] if id_column else [])])
    if GENERATED_ID in rows:
        raise ProjectError(f"the table has a column {GENERATED_ID}, as ids are called that are made here: rename it")
    named = [("--target", target), ("--time", time), ("--id", id_column), *(("--format", name) for name in written)]
    for option, column in named:
        if column is not None and column not in rows:
            raise ProjectError(f"{option} {column}: the table has no such column, it has {', '.join(map(str, rows))}")
    inferred = infer(rows, target, time, name_of_id, written)
    if "files" in data:  # as `ingest` will: what is text keeps every sign of it
        texts = texts_of(Contract(columns=inferred.rules))
        rows = pd.concat(read_files(Files(**data["files"]), texts), ignore_index=True)
    if not inferred.roles:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in inferred.left_out.items())
        raise ProjectError(f"no column of {table} can be used to predict {target} ({reasons})")

    contract = Contract(columns=inferred.rules)
    rows = number_equal(with_ids(conform(rows, contract), name_of_id))
    yaml = settings_writer()
    document = yaml.load(paths.PARAMS.read_text(encoding="utf-8"))
    change_settings(document, data, inferred, rows, {"id": name_of_id, "time": time, "target": target})
    try:
        params = Params.model_validate(document)
    except ValidationError as error:
        raise ProjectError(f"{table}: {describe(error, Params)}") from None
    accepted = accept(Batch(rows, 0), params, contract, HeldRows(None, lambda: pd.Index([], dtype="str")))
    features = features_to_replace(accepted.drop(columns=target))
    replace_project(yaml, document, contract, accepted, time, features)
    warnings = [*warnings_of(rows, target, inferred, time), *here_only(data)]
    if features:
        warnings.append(f"{features} was about other columns: it adds no feature now, `git diff` shows what it did")
    return Adopted(len(accepted), inferred, warnings)


def format_of(text: str) -> tuple[str, str]:
    """(column, format) of what `--format` says. Raises ProjectError where it says something else."""
    column, sign, written = text.rpartition("=")
    if not sign:
        raise ProjectError(f"--format {text}: write COLUMN=FORMAT, as in --format day=%d.%m.%Y")
    return column, written


def read(table: str, as_text: list[str]) -> tuple[dict[str, Any], pd.DataFrame]:
    """(the section `data` that names the table as the source from now on, its rows).

    In a CSV file what looks like a number is one, but for the columns in `as_text` and for codes.
    """
    if "::" in table and not table.startswith(("zip::", "simplecache::", "filecache::")):
        url, _, name = table.rpartition("::")
        refuse_password(url)
        quoted = ".".join(part if PLAIN.fullmatch(part) else f'"{part}"' for part in name.split("."))
        sql = {"url": url, "query": f"SELECT * FROM {quoted}"}
        return {"source": "sql", "sql": sql}, pd.concat(read_sql(Sql(**sql), None, None), ignore_index=True)
    here = Path(table).is_absolute() and "://" not in table
    path = Path(os.path.relpath(table)).as_posix() if here else table
    files = {"paths": [path]}
    texts = [*codes(Files(**files)), *as_text]
    return {"source": "files", "files": files}, pd.concat(read_files(Files(**files), texts), ignore_index=True)


def codes(files: Files) -> list[str]:
    """The columns of CSV files whose numbers are none.

    Whole ones with zeros in front, or too large for floating point: zip codes, accounts, telephones. Where a decimal
    comma is in use, those with a point before three digits: 1.234 then is a thousand.
    """
    found: set[str] = set()
    for path in expand(files.paths):
        if not is_parquet(path):
            rows = read_file(path, [])
            numbers = rows.select_dtypes("number").columns.tolist()
            texts = read_file(path, numbers)[numbers]
            kept: list[str] = rows.select_dtypes("str").columns.tolist()
            comma = any((number_format(rows[name].dropna()) or "").endswith(",5") for name in kept)
            found |= {name for name in numbers if texts[name].str.fullmatch(r"[+-]?0\d+").any()}
            found |= {name for name in numbers if comma and has_thousands(texts[name])}
            large = [name for name in numbers if rows[name].abs().max() > EXACT]
            found |= {name for name in large if texts[name].dropna().str.fullmatch(r"[+-]?\d+").all()}
    return sorted(found)


def refuse_password(url: str) -> None:
    """A secret must not get into `params.yaml`, which git keeps."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if url.startswith("env:"):
        return
    try:
        password = make_url(url).password
    except ArgumentError:
        raise ProjectError(f"{url} is no database URL such as sqlite:///shop.db or env:DATABASE_URL") from None
    if password:
        raise ProjectError(
            "the URL holds a password: set it as DATABASE_URL in the environment and adopt env:DATABASE_URL::TABLE"
        )


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
    primary, margin, slice_margin = gates_of(rows[target], inferred)
    gates = document["gates"]
    gates.update({"primary": primary, "margin": margin, "slice_margin": slice_margin, "limits": flow({})})
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


def replace_project(
    yaml: YAML,
    document: CommentedMap,
    contract: Contract,
    rows: pd.DataFrame,
    time: str | None,
    features: Path | None,
) -> None:
    """Put the new settings, contract and rows in the place of the old; all as before if that fails.

    `features` is the file that adds features of other columns and now adds none.
    """
    settings = StringIO()
    yaml.dump(document, settings)
    old = partitions.files()
    described = descriptions(str(document["columns"]["target"]))
    changed = [paths.PARAMS, paths.CONTRACT, *described, *([features] if features else [])]
    before = {path: path.read_bytes() for path in changed if path.exists()}
    new = partitions.add(rows, time)
    try:
        for path, text in described.items():
            path.write_text(text, encoding="utf-8", newline="\n")
        paths.PARAMS.write_text(settings.getvalue(), encoding="utf-8", newline="\n")
        write_contract(contract)
        if features:
            features.write_text(Path(no_features.__file__).read_text(encoding="utf-8"), encoding="utf-8", newline="\n")
    except BaseException:
        for path, content in before.items():
            path.write_bytes(content)
        new.unlink()
        raise
    for file in old:
        file.unlink()


def descriptions(target: str) -> dict[Path, str]:
    """README and pyproject.toml where they still say what the sample's model answers; now it is another target."""
    texts = {README: f"Predicts {code(target)}.", PYPROJECT: json.dumps(f"Predicts {target}.", ensure_ascii=False)}
    changed: dict[Path, str] = {}
    for path, said in texts.items():
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        for sample in SAMPLES:
            line = json.dumps(sample) if path == PYPROJECT else sample
            if line in old:
                changed[path] = old.replace(line, said, 1)
    return changed


def features_to_replace(rows: pd.DataFrame) -> Path | None:
    """The owner's features.py where it cannot add features to these rows, None where it can or there is none.

    Raises ProjectError when it has changes that are in no commit yet.
    """
    code = own_code("features")
    if FEATURES not in code.files:
        return None
    try:
        code.add_features(rows)
    except ProjectError as error:
        file = code.folder / f"{FEATURES}.py"
        if git.git_or_none("status", "--porcelain", "--", file.as_posix()):
            raise ProjectError(f"{error}: this table has other columns; commit {file}, or `git checkout` it") from None
        return file
    return None


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


def here_only(data: dict[str, Any]) -> list[str]:
    """What says that a source is on this machine alone: no workflow on GitHub finds fresh rows there."""
    if "sql" in data:
        url = str(data["sql"]["url"])
        here = [url] if url.startswith("sqlite") else []
    else:
        here = [path for path in data["files"]["paths"] if "://" not in path]
    return [
        f"{path} is on this machine only: for retraining on GitHub `data` in {paths.PARAMS} has to name a URL or a "
        "database that its runners reach"
        for path in here
    ]


def warnings_of(rows: pd.DataFrame, target: str, inferred: Inferred, time: str | None) -> list[str]:
    """What the user should know of the choices made."""
    warnings = []
    if time is None:
        warnings.append(
            "without --time the holdout is drawn by a hash of the row's id: it does not show how the model does on "
            "the future, and fresh rows are told by their id alone"
        )
    for name, rule in inferred.rules.items():
        written = rule.format or ""
        if "%d" in written and "%m" in written and written[:2] != "%Y" and rows[name].dt.day.max() <= 12:
            first, other = ("month", "day") if written.index("%m") < written.index("%d") else ("day", "month")
            turned = re.sub("%[md]", lambda directive: "%d" if directive[0] == "%m" else "%m", written)
            warnings.append(
                f"{name} was read as {written}, the {first} first; if the {other} is first, adopt it again with "
                f"--format '{name}={turned}'"
            )
        doubt = nearly_numbers(name, rows[name]) if rule.type == "string" and name in rows else None
        if doubt:
            warnings.append(doubt)
        if rule.type in ("number", "integer") and written:
            warnings.append(
                f"{name} was read as numbers written as {written}; if that is wrong, adopt it again with --format "
                f"'{name}=…', which knows: {FORMATS}"
            )
    if inferred.doubt:
        warnings.append(f"{inferred.doubt} Take out of `columns` what is not known when a prediction is made")
    if inferred.classes:
        counts = rows[target].value_counts()
        rare = [f"{name} ({count})" for name, count in counts.items() if count < 10]
        if rare:
            warnings.append(f"classes with very few rows: {', '.join(rare)}")
    return warnings


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
