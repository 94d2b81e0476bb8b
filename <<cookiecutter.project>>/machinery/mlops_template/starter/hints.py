"""What the user of `adopt` should know of the choices made, or of the table."""

import re
from typing import Any

import pandas as pd

from ..data.contract import FORMATS
from ..integrations import git
from ..render.markdown import one_line
from ..settings import paths
from .infer import Inferred


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


def here_only(data: dict[str, Any]) -> list[str]:
    """What says that a source is on this machine alone: no workflow on GitHub finds fresh rows there."""
    if "sql" in data:
        url = str(data["sql"]["url"])
        here = [url] if url.startswith("sqlite") else []
    else:
        local = [path for path in data["files"]["paths"] if "://" not in path]
        here = [path for path in local if not git.git_or_none("ls-files", "--", path)]
    return [
        f"{path} is on this machine only: for retraining on GitHub `data` in {paths.PARAMS} has to name a URL or a "
        "database that its runners reach"
        for path in here
    ]


def nearly_numbers(name: str, column: pd.Series) -> str | None:
    """What says that a column of text is one of numbers but for some values, None where it is not."""
    texts = column.dropna()
    if column.dtype != "str" or texts.str.match(r"0\d").any():
        return None  # codes
    other = texts[pd.to_numeric(texts, errors="coerce").isna()]
    if not 0 < len(other) < len(texts) / 2:
        return None
    return (
        f"{name} is text, since {len(other):,} of its {len(texts):,} values are no numbers, such as "
        f"{one_line(str(other.iloc[0]))!r}; if they mean that it is missing, leave it empty there and adopt again"
    )
