"""A model as a directory: written by `train`, read by everything after it.

It holds only what the inputs of training determine, so that the same inputs give the same bytes: no time,
no commit, no run id.
"""

import json
import pickle
import sys
import warnings
import zlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import Pipeline

from ..errors import ProjectError

PIPELINE_FILE = "model.joblib"
CARD_FILE = "card.json"
GOLDEN_FILE = "golden.json"
TRAINING_ROWS_FILE = "training_rows.npy"

GOLDEN_ROWS = 10

CHUNK = 500_000
"""Ids that are Python's strings at a time; all of them at once would take gigabytes."""

TOLERANCE = 1e-6
"""Relative difference from the golden answers that still counts as the same model."""


@dataclass(frozen=True)
class Model:
    """A fitted pipeline with its card."""

    pipeline: Pipeline
    card: dict[str, Any]

    @property
    def classes(self) -> list[Any] | None:
        """The classes in the order of their probabilities, None for regression."""
        classes: list[Any] | None = self.card["classes"]
        return classes

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The answers for rows as the contract has them, with the same index.

        One column `prediction` for regression, else one `probability_<class>` for each class.
        """
        from .pipeline import inputs  # not above, so that a mistake in there can still be reported

        ready = inputs(frame, self.card["features"])
        if self.classes is None:
            return pd.DataFrame({"prediction": self.pipeline.predict(ready)}, index=frame.index)
        names = [f"probability_{name}" for name in self.classes]
        return pd.DataFrame(self.pipeline.predict_proba(ready), columns=names, index=frame.index)


def row_hashes(ids: pd.Series) -> NDArray[np.uint64]:
    """A stable 64-bit hash of each row's id."""
    parts = [ids.iloc[start : start + CHUNK] for start in range(0, max(len(ids), 1), CHUNK)]
    return np.concatenate([pd.util.hash_array(part.astype("str").to_numpy(dtype=object)) for part in parts])


def save_model(directory: Path, model: Model, golden: pd.DataFrame, trained_on: NDArray[np.uint64]) -> None:
    """Write the model with a few golden rows, their answers, and the hashes of the rows it was trained on."""
    directory.mkdir(parents=True, exist_ok=True)
    joblib.dump(model.pipeline, directory / PIPELINE_FILE, compress=("zlib", 3))
    write_json(directory / CARD_FILE, model.card)
    names = [name for kind in model.card["features"].values() for name in kind]
    rows = json.loads(golden[names].to_json(orient="records", date_format="iso", double_precision=15))
    answers = model.predict(golden).to_dict(orient="records")
    write_json(directory / GOLDEN_FILE, {"rows": rows, "answers": answers})
    np.save(directory / TRAINING_ROWS_FILE, np.sort(trained_on))


def load_card(directory: Path) -> dict[str, Any]:
    """The card of a model. Raises ProjectError when there is no model."""
    try:
        card: dict[str, Any] = json.loads((directory / CARD_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectError(f"no model in {directory}: train one with `run` or fetch it with `pull`") from None
    return card


def load_model(directory: Path) -> Model:
    """The model of a directory, once it has given its golden answers.

    Under the scikit-learn it was trained with it is trusted; under another one it is asked its golden rows.
    Raises ProjectError when there is none, or when this environment's scikit-learn does not run it as it was.
    """
    card = load_card(directory)
    trained_with, here = card["versions"]["scikit-learn"], version("scikit-learn")
    way_out = f"install scikit-learn {trained_with} (`uv add scikit-learn=={trained_with}`) or train anew with `run`"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            model = Model(joblib.load(directory / PIPELINE_FILE), card)
            if trained_with == here or gives_golden_answers(model, directory):
                return model
    except FileNotFoundError as error:
        raise ProjectError(f"{directory} is incomplete ({Path(error.filename).name} is missing): `pull`") from None
    except (EOFError, pickle.UnpicklingError, zlib.error) as error:
        raise ProjectError(f"{directory / PIPELINE_FILE} is damaged ({error}): delete {directory} and `pull`") from None
    except (ImportError, AttributeError, TypeError, ValueError, KeyError) as error:
        if trained_with == here:
            raise ProjectError(
                f"the model in {directory} does not load ({type(error).__name__}: {error}): delete {directory} and "
                "`pull`, or train anew with `run`"
            ) from None
        raise ProjectError(
            f"the model in {directory} was trained with scikit-learn {trained_with} and does not load or predict "
            f"with {here} ({type(error).__name__}: {error}): {way_out}"
        ) from None
    raise ProjectError(
        f"the model in {directory} was trained with scikit-learn {trained_with} and answers otherwise "
        f"with {here}: {way_out}"
    )


def gives_golden_answers(model: Model, directory: Path) -> bool:
    """Whether the model still answers its golden rows as it did when it was trained."""
    golden = json.loads((directory / GOLDEN_FILE).read_text(encoding="utf-8"))
    rows = pd.DataFrame(golden["rows"], columns=[name for kind in model.card["features"].values() for name in kind])
    answers = model.predict(rows)
    return bool(np.allclose(answers.to_numpy(), pd.DataFrame(golden["answers"]).to_numpy(), rtol=TOLERANCE, atol=1e-9))


def training_rows(directory: Path) -> NDArray[np.uint64]:
    """The sorted hashes of the rows that the model was trained on."""
    rows: NDArray[np.uint64] = np.load(directory / TRAINING_ROWS_FILE)
    return rows


def versions(estimator: str) -> dict[str, str]:
    """The versions of what determines the model's bytes: Python and the libraries, the estimator's own included."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for library in sorted({"scikit-learn", "numpy", "scipy", "pandas", "joblib", estimator.partition(".")[0]}):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue  # the module's name is not its library's, as with sklearn
    return found


def window(times: pd.Series | None) -> dict[str, str | None]:
    """The first and the last moment of some rows."""
    if times is None:
        return {"first": None, "last": None}
    return {"first": times.min().isoformat(), "last": times.max().isoformat()}


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and diffs: indented, text as it is, one newline at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
