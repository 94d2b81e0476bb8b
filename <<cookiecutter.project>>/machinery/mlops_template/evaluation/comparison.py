"""The record of a comparison: what `reports/comparison.json` holds, and what it depends on.

It is read without the libraries that make it, so that a command which only looks is quick.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

from pydantic import TypeAdapter

from ..owner.modules import own_code
from ..render.json_file import write_json
from ..settings import paths
from ..settings.params import Params

ChampionSource = Literal["model", "stored predictions", "metrics only"]
"""By what the champion is met, the best first."""


@dataclass(frozen=True)
class Gate:
    """One thing asked of the challenger. Broken, it means `keep` or, where it is `absolute`, `fail`."""

    gate: str
    passed: bool
    absolute: bool
    detail: str


POWER = 1 + NormalDist().inv_cdf(0.8) / NormalDist().inv_cdf(0.975)
"""Times half an interval is what is found in 80 % of cases: the interval reaches 1.96 standard errors."""


@dataclass(frozen=True)
class Difference:
    """Challenger minus champion, with its 95 % interval; None where the rows do not define it."""

    value: float | None
    low: float | None
    high: float | None

    def gain(self, higher_is_better: bool) -> tuple[float, float]:
        """(value, worse end of the interval), turned so that more is better; minus infinity where undefined."""
        value, end = (self.value, self.low) if higher_is_better else (self.value, self.high)
        sign = 1 if higher_is_better else -1
        return tuple(float("-inf") if part is None else sign * part for part in (value, end))  # type: ignore[return-value]

    @property
    def findable(self) -> float | None:
        """A true difference of this size is found beyond noise four times out of five; None where undefined."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2 * POWER

    def sign(self, higher_is_better: bool) -> str:
        """▲ where the whole interval says better, ▼ where it says worse, else nothing."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return ""
        return "▲" if (self.low > 0) == higher_is_better else "▼"

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        ends = "" if self.low is None or self.high is None else f" [{self.low:+.4f}, {self.high:+.4f}]"
        return f"{self.value:+.4f}{ends}"


@dataclass(frozen=True)
class SliceDifference:
    """The primary metric of both models on one slice; `p` is Holm-adjusted, of being worse beyond the margin."""

    slice: str
    rows: int
    champion: float | None
    challenger: float | None
    difference: Difference
    p: float
    worse: bool


@dataclass(frozen=True)
class Cost:
    """What a model costs where it runs: its size, and the median time of one row on one thread of this machine."""

    size_mb: float
    latency_ms: float | None
    """None where too few rows were compared to measure it."""


@dataclass(frozen=True)
class MetricPair:
    """One metric of both models."""

    champion: float | None
    challenger: float | None
    difference: Difference
    higher_is_better: bool = True


@dataclass(frozen=True)
class Comparison:
    """What `reports/comparison.json` holds. `champion` is None where the baseline took its place."""

    verdict: Literal["promote", "keep", "fail"]
    reasons: list[str]
    challenger: str
    champion: str | None
    rows: int
    window: dict[str, str | None]
    metrics: dict[str, MetricPair]
    gates: list[Gate]
    slices: list[SliceDifference]
    inputs: str
    """Digest of what was compared: the models, the rows, the settings, and the code that judges."""
    cost: Cost | None = None
    champion_cost: Cost | None = None
    forced: dict[str, str] | None = None
    """Why it was promoted against the verdict."""
    champion_source: ChampionSource = "model"
    """What of the champion was compared: its model, its stored predictions, or only its metrics."""


@dataclass(frozen=True)
class Evaluation:
    """What is kept of the champion's own evaluation, each None where it is not known."""

    predictions: Path | None = None
    """What `evaluate` wrote: the id of each row it held out then, and the prediction."""
    metrics: dict[str, Any] | None = None
    """What `evaluate` wrote: each metric under `model`, the first and last moment under `window`."""


StoredEvaluation = Callable[[], Evaluation]


def load_comparison() -> Comparison | None:
    """The record of the last comparison, None where there is none."""
    return parse_comparison(paths.COMPARISON.read_bytes()) if paths.COMPARISON.exists() else None


def parse_comparison(record: bytes | str) -> Comparison:
    """A record. Raises pydantic.ValidationError where an older version of the template wrote it otherwise."""
    return TypeAdapter(Comparison).validate_json(record)


def recorded_comparison(challenger: str, champion: str | None, params: Params) -> Comparison | None:
    """The record of this very comparison, where it was made by the champion's model: to repeat it adds nothing."""
    recorded = load_comparison()
    if recorded is None or recorded.champion_source != "model" or not paths.HOLDOUT.exists():
        return None
    return recorded if recorded.inputs == digest_of(challenger, champion, params) else None


def save_comparison(comparison: Comparison) -> None:
    """Write the record, which git keeps."""
    write_json(paths.COMPARISON, asdict(comparison))


def digest_of(challenger: str, champion: str | None, params: Params) -> str:
    """What a comparison depends on, as one short digest."""
    settings = params.model_dump(mode="json", include={"task", "columns", "split", "evaluate", "gates"})
    rows = hashlib.sha256(paths.HOLDOUT.read_bytes()).hexdigest()
    everything = [challenger, champion, rows, settings, judging_code()]
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()[:16]


def judging_code() -> list[str]:
    """Digests of the code by which models are judged; that by which they predict is part of the models."""
    here = Path(__file__).parent
    machinery = [file for room in (here, here.parent / "training") for file in room.glob("*.py")]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(machinery)]
    return [*digests, own_code("features", "metrics").package]
