"""`params.yaml` as typed objects: a misspelt or impossible setting is refused where it stands."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..errors import ProjectError
from .operation import Deploy, Monitor, Predictions, Retrain, Update
from .paths import PARAMS
from .section import Section, positive_stretch_of_time, stretch_of_time

Task = Literal["classification", "regression"]
Value = float | int | str | bool | None


class Files(Section):
    """CSV and Parquet files by glob: paths of this machine or any fsspec URL (`s3://…`)."""

    paths: Annotated[list[str], Field(min_length=1)]


class Sql(Section):
    """A query, read through SQLAlchemy. A `url` of `env:NAME` is taken from that environment variable."""

    url: str
    query: str


class Data(Section):
    """Where fresh rows come from."""

    source: Literal["sample", "files", "sql", "source.py"]
    """The last: the function `fresh_rows` of the owner's own `src/<package>/source.py`."""
    files: Files | None = None
    sql: Sql | None = None
    label_delay: str = "0 days"
    """How long after a row's time its target is known."""

    _label_delay = field_validator("label_delay")(stretch_of_time)

    @model_validator(mode="after")
    def _settings_of_the_source(self) -> "Data":
        if self.source in ("files", "sql") and getattr(self, self.source) is None:
            raise ValueError(f"source is {self.source}, so a section data.{self.source} is needed")
        return self


PREDICTED = re.compile(r"prediction$|probability_")
"""How the columns begin that `score` and `evaluate` write beside id, time and target."""


class Columns(Section):
    """The role of each column, of the data or derived by features.py. Those that stand in no list are not used."""

    id: str
    time: str | None = None
    target: str
    positive: Value = None
    """The class whose probability is scored in a two-class task; by default the greater of the two."""
    numeric: list[str] = []
    categorical: list[str] = []
    dates: list[str] = []
    text: list[str] = []

    @property
    def features(self) -> list[str]:
        """All inputs of the model, in the order in which it takes them."""
        return [name for names in self.kinds.values() for name in names]

    @property
    def kinds(self) -> dict[str, list[str]]:
        """The features by kind."""
        return {"numeric": self.numeric, "categorical": self.categorical, "dates": self.dates, "text": self.text}

    @model_validator(mode="after")
    def _each_column_has_one_role(self) -> "Columns":
        if not self.features:
            raise ValueError("no feature: name columns under numeric, categorical, dates or text")
        roles = [self.id, self.target, *self.features]
        clash = [name for name in (self.id, self.time or "", self.target) if PREDICTED.match(name)]
        if clash:
            raise ValueError(f"{clash[0]} is what predictions are called: rename the column")
        twice = sorted({name for name in roles if roles.count(name) > 1})
        if twice:
            raise ValueError(f"more than one role for {', '.join(twice)}")
        if self.time in (self.id, self.target):
            raise ValueError(f"{self.time} cannot be the time as well")
        return self


class Split(Section):
    """The holdout: the newest rows, as a share (0.2) or a stretch of time (28 days)."""

    holdout: float | str

    @field_validator("holdout")
    @classmethod
    def _share_or_duration(cls, value: float | str) -> float | str:
        if isinstance(value, str):
            return positive_stretch_of_time(value)
        if not 0 < value < 1:
            raise ValueError(f"{value} is not between 0 and 1")
        return value


class Range(Section):
    """A stretch to draw a parameter from, evenly or evenly in its logarithm."""

    low: float
    high: float
    log: bool = False
    integer: bool = False

    @model_validator(mode="after")
    def _sensible(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range starts above 0")
        return self


class Candidate(Section):
    """An estimator by dotted path; what stands in `ranges` is searched."""

    estimator: Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]
    params: dict[str, Any] = {}
    ranges: dict[str, list[Any] | Range] = {}


class Search(Section):
    """How candidates are compared: by cross-validation within the training rows, in order of time."""

    folds: Annotated[int, Field(ge=2)] = 3
    n_iter: Annotated[int, Field(ge=1)] = 10
    """Settings drawn for each candidate that has ranges."""
    rows: Annotated[int, Field(ge=100)] | None = None
    """Training rows that candidates are compared on at most, evenly spread over time; None: all."""


FITTED_BY_WORKERS = ("lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor")


class ModelSettings(Section):
    """What is trained."""

    seed: int = 0
    threads: Annotated[int, Field(ge=1)] = 2
    """Part of the recipe: another number of threads sums in another order and gives other bytes."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Of a Dask cluster, or processes of this machine, that fit the model together; None: it is fitted in one process.
    Part of the recipe, too."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | str = 0.5
    """Of two classes, the positive one is decided for above this probability; or the metric to be best at."""
    candidates: Annotated[list[Candidate], Field(min_length=1)]
    search: Search = Search()

    @model_validator(mode="after")
    def _workers_fit_lightgbm(self) -> "ModelSettings":
        others = [candidate.estimator for candidate in self.candidates if candidate.estimator not in FITTED_BY_WORKERS]
        if self.workers and others:
            raise ValueError(
                f"workers fit {' and '.join(FITTED_BY_WORKERS)}, but {others[0]} is fitted in one process: name one of "
                "these among candidates, or delete workers"
            )
        return self


class Evaluate(Section):
    """What is looked at beside the overall metrics."""

    slices: list[str] = []
    min_slice_rows: Annotated[int, Field(ge=1)] = 200
    n_bootstrap: Annotated[int, Field(ge=100)] = 1000
    ages: list[str] = []
    """By how much older models are that are scored beside the challenger, to see what age costs."""

    @field_validator("ages")
    @classmethod
    def _stretches_of_time(cls, value: list[str]) -> list[str]:
        return [positive_stretch_of_time(age) for age in value]


class Gates(Section):
    """What a challenger must satisfy to become champion."""

    primary: str
    policy: Literal["not_worse", "better"] = "not_worse"
    margin: Annotated[float, Field(ge=0)] = 0.0
    slice_margin: Annotated[float, Field(ge=0)] = 0.0
    groups: list[str] = []
    """Columns, of `evaluate.slices`, whose values are groups of people: none may be predicted much worse than all."""
    group_margin: Annotated[float, Field(ge=0)] = 0.0
    """By how much the primary metric of a group may be worse than that of all rows."""
    limits: dict[str, float] = {}
    """The worst tolerable value of a metric: a floor where more is better, else a ceiling."""
    max_latency_ms: Annotated[float, Field(gt=0)] = 100.0
    max_size_mb: Annotated[float, Field(gt=0)] = 90.0


class Parity(Section):
    """How far ONNX Runtime may be from scikit-learn: shares of the held-out rows, beyond which the latter serves."""

    tolerance: Annotated[float, Field(gt=0)] = 1e-4
    """Of a probability, or of a prediction in standard deviations of all predictions."""
    differing: Annotated[float, Field(ge=0, le=1)] = 0.005
    """Rows whose prediction differs by more than the tolerance."""
    flipped: Annotated[float, Field(ge=0, le=1)] = 0.001
    """Rows for which another class is the most probable."""


class Serving(Section):
    """How the champion predicts."""

    parity: Parity = Parity()
    max_rows: Annotated[int, Field(ge=1)] = 10_000
    """Of one request."""
    max_body_mb: Annotated[float, Field(gt=0)] = 10.0
    shadow: str | None = None
    """The model that predicts the same requests unseen: a branch, a commit or a champion's number."""

    @field_validator("shadow", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


MAX_NAMES = 12
"""That are listed where one was misspelt."""

BUILT_IN_METRICS: dict[Task, tuple[str, ...]] = {
    "classification": ("roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1", "calibration_error"),
    "regression": ("mae", "rmse", "r2", "mape"),
}
"""The names of the built-in metrics, known without the libraries that compute them."""


class Params(Section):
    """The whole of `params.yaml`."""

    task: Task
    data: Data
    columns: Columns
    split: Split
    model: ModelSettings
    evaluate: Evaluate = Evaluate()
    gates: Gates
    retrain: Retrain = Retrain()
    update: Update = Update()
    serving: Serving = Serving()
    predictions: Predictions = Predictions()
    monitor: Monitor = Monitor()
    deploy: Deploy = Deploy()

    @model_validator(mode="after")
    def _duration_needs_a_time(self) -> "Params":
        if isinstance(self.split.holdout, str) and self.columns.time is None:
            raise ValueError("split.holdout is a stretch of time but columns.time is not set; give a share: 0.2")
        return self

    @model_validator(mode="after")
    def _ages_need_a_time(self) -> "Params":
        if self.evaluate.ages and self.columns.time is None:
            raise ValueError("evaluate.ages tells what age costs, but columns.time is not set; give none: []")
        return self

    @model_validator(mode="after")
    def _groups_are_slices(self) -> "Params":
        other = [name for name in self.gates.groups if name not in self.evaluate.slices]
        if other:
            raise ValueError(f"gates.groups names {', '.join(other)}: name it among evaluate.slices, too")
        return self


def load_params(path: Path = PARAMS) -> Params:
    """Read `params.yaml`. Raises ProjectError that names the setting, what came and what was expected."""
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise ProjectError(f"{path} is missing: restore it with `git checkout {path}`") from None
    except YAMLError as error:
        raise ProjectError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise ProjectError(f"{path}: {describe(error, Params)}") from None


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """All that pydantic found, on one line, each with the dotted name of the setting; a misspelt one with a guess."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'the file'}: "
        + (
            f"there is no such setting{meant(str(problem['loc'][-1]), names_at(problem['loc'][:-1], model))}"
            if problem["type"] == "extra_forbidden"
            else f"{problem['msg'].removeprefix('Value error, ')} (got {problem['input']!r:.80})"
        )
        for problem in error.errors()
    )


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?` where a known name is like it, else the first of what is known."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    more = f" and {len(known) - MAX_NAMES} more" if len(known) > MAX_NAMES else ""
    return f"; there are {', '.join(known[:MAX_NAMES])}{more}" if known else ""


def names_at(place: tuple[int | str, ...], model: type[BaseModel]) -> set[str]:
    """The settings of the section that stands at a place of a model; none where that is not known."""
    kind: Any = model
    for part in place:
        # Below a section stands a setting, below a list or a mapping an item of it.
        kind = kind.model_fields[str(part)].annotation if is_section(kind) else get_args(kind)[-1]
        if get_origin(kind) in (Union, UnionType):
            kind = next((one for one in get_args(kind) if is_section(one)), kind)
    return set(kind.model_fields) if is_section(kind) else set()


def is_section(kind: Any) -> bool:
    """Whether a type is a model, with settings of its own."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)
