"""Whether a running service predicts as the champion does offline, and quickly enough under some load."""

import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..champion.lineage import find_champion
from ..champion.opponent import model_directory
from ..console.progress import progress
from ..errors import ProjectError
from ..integrations.revisions import Champion
from ..settings import paths
from ..settings.operation import Verify
from ..settings.params import Params
from ..storage import storage
from ..training.artifact import GOLDEN_FILE, load_model
from ..training.records import as_records
from .client import NoResponse, Prediction, Row, ServiceClient, wait_until_ready

BATCH = 100
CLIENTS = 4
REFUSED = 422
"""The status of a response to rows that break a rule."""
ASKED_WHO = 10
"""Times that a service is asked who it is: behind one address there may be several."""

Rows = Sequence[tuple[Row, Prediction]]


@dataclass(frozen=True)
class Expected:
    """A champion and its own predictions, for golden rows and for some of the holdout.

    `lack` is why there are none of the holdout, empty where there are. An `earlier` one than that of the checked-out
    commit may have had a narrower contract.
    """

    champion: Champion
    golden: Rows
    holdout: Rows
    lack: str = ""
    earlier: bool = False


@dataclass(frozen=True)
class Load:
    """What came of some time under load."""

    requests: int
    failed: int
    wrong: int
    p95_ms: float
    first_fault: str


def verify(params: Params, url: str, version: str, wait: float = 60) -> str:
    """Hold a running service against a champion: one line on what was seen.

    Raises ProjectError with all that is wrong.
    """
    champion, _ = find_champion(version)
    expected = expectation(champion, params.deploy.verify.rows)
    return hold_against(url, expected, params, wait)


def expectation(champion: Champion, rows: int) -> Expected:
    """What a champion predicts offline.

    One of old code or libraries may no longer load: then only its golden predictions are known.
    """
    missing = [path for path in (paths.HOLDOUT, paths.CHAMPION) if not path.exists()]
    if missing:
        storage.pull(*missing)
    earlier = champion.digest != find_champion("champion")[0].digest
    with model_directory(champion.digest, champion.commit or "HEAD") as directory:
        golden = golden_of(directory)
        try:
            return Expected(champion, golden, holdout_of(directory, rows), earlier=earlier)
        except (ProjectError, KeyError, ValueError, TypeError) as error:
            return Expected(champion, golden, [], " ".join(str(error).split())[:200], earlier)


def golden_of(directory: Path) -> Rows:
    """The golden rows of a model, with its predictions when it was trained."""
    golden = json.loads((directory / GOLDEN_FILE).read_text(encoding="utf-8"))
    return list(zip(golden["rows"], golden["predictions"], strict=True))


def holdout_of(directory: Path, rows: int) -> Rows:
    """The newest rows of the holdout, with the pipeline's predictions."""
    model = load_model(directory)
    frame = pd.read_parquet(paths.HOLDOUT).tail(rows)
    predictions = model.predict(frame).to_dict("records")
    sent = as_records(frame[list(model.request)])
    return list(zip(sent, ({str(name): value for name, value in row.items()} for row in predictions), strict=True))


def hold_against(url: str, expected: Expected, params: Params, wait: float) -> str:
    """The line, or ProjectError with the reasons. A service that is not the right one is not asked any further."""
    budget, limits, champion = params.serving.parity, params.deploy.verify, expected.champion
    url, most_rows = url.rstrip("/"), params.serving.max_rows
    wait_until_ready(url, wait)
    scale = scale_of([*expected.golden, *expected.holdout])
    strangers = others(url, champion)
    if strangers:
        raise ProjectError(f"{url} runs {strangers}, not champion {champion.number} ({champion.short})")
    reasons = []
    expected, far = differences(url, expected, scale, most_rows)
    rows = [*expected.golden, *expected.holdout]
    beyond, most = far > budget.tolerance, max(1, math.floor(budget.differing * len(rows)))
    if beyond.sum() > most:
        golden = int(beyond[: len(expected.golden)].sum())
        reasons.append(
            f"{beyond.sum():,} of {len(rows):,} rows, {golden} of them golden, are predicted otherwise than by the "
            f"pipeline (by up to {far.max():.2g}; serving.parity.differing allows {most})"
        )
    compared = f"{len(expected.golden)} golden rows and {len(expected.holdout):,} of the holdout, {beyond.sum()} differ"
    compared += f" ({expected.lack})" if expected.lack else ""
    steady = [row for row, other in zip(rows, beyond, strict=True) if not other] or rows
    load = put_under_load(url, steady, limits.seconds, budget.tolerance * scale)
    reasons += faults(load, limits)
    if reasons:
        raise ProjectError(f"{url}: {'; '.join(reasons)}")
    return (
        f"{url} predicts as champion {champion.number} ({champion.short}): {compared}; {load.requests:,} requests of "
        f"{CLIENTS} clients in {limits.seconds:g} s, {load.failed} failed, p95 {load.p95_ms:.1f} ms"
    )


def others(url: str, champion: Champion) -> str:
    """What else than the champion serves there, empty where nothing does."""
    service = ServiceClient(url)
    cards = [service.get("/model") for _ in range(ASKED_WHO)]
    service.close()
    strange = {
        f"champion {one.get('version')} ({str(one.get('digest'))[:8]})"
        for one in cards
        if one.get("digest") != champion.digest
    }
    return " and ".join(sorted(strange))


def differences(url: str, expected: Expected, scale: float, most_rows: int) -> tuple[Expected, NDArray[np.float64]]:
    """What was asked of the expected, and how far each prediction is from it; infinitely, where it is of another kind.

    Rows of today's holdout that an earlier champion's service does not take are no fault of it.
    """
    try:
        return expected, distances(url, [*expected.golden, *expected.holdout], scale, most_rows)
    except NoResponse as refused:
        if refused.status != REFUSED or not expected.earlier:
            raise
        golden = replace(expected, holdout=[], lack=f"it takes other rows: {refused}")
        return golden, distances(url, golden.golden, scale, most_rows)


def distances(url: str, rows: Rows, scale: float, most_rows: int) -> NDArray[np.float64]:
    """How far the predictions for some rows are from the known ones."""
    service, measured, size = ServiceClient(url), list[float](), min(BATCH, most_rows)
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    for batch in progress(batches, len(batches), "asking what is known"):
        predictions = service.predict([row for row, _ in batch])
        measured += [
            distance(prediction, expected, scale) for prediction, (_, expected) in zip(predictions, batch, strict=True)
        ]
    service.close()
    return np.array(measured)


def distance(prediction: Prediction, expected: Prediction, scale: float = 1) -> float:
    """The largest difference in any of the figures, infinity where one is missing or none."""
    if not isinstance(prediction, dict) or not expected.keys() <= prediction.keys():
        return math.inf
    if not all(isinstance(prediction[name], int | float) for name in expected):
        return math.inf
    far = [abs(prediction[name] - value) / scale for name, value in expected.items()]
    return max(math.inf if math.isnan(one) else one for one in far)


def scale_of(rows: Rows) -> float:
    """What differences are measured in: 1 for probabilities, else the standard deviation of all predictions."""
    values = [expected["prediction"] for _, expected in rows if "prediction" in expected]
    return float(np.std(values)) or 1.0 if values else 1.0


def put_under_load(url: str, rows: Rows, seconds: float, tolerance: float) -> Load:
    """Send single rows from several clients at once."""
    end = time.monotonic() + seconds
    numbers = count()

    def client(_: int) -> tuple[list[float], int, list[str]]:
        service, took, wrong, failed = ServiceClient(url), list[float](), 0, list[str]()
        while time.monotonic() < end:
            row, expected = rows[next(numbers) % len(rows)]
            began = time.perf_counter()
            try:
                (prediction,) = service.predict([row])
            except NoResponse as error:
                failed.append(str(error))
                time.sleep(0.01)
            else:
                wrong += distance(prediction, expected) > tolerance
            took.append(1000 * (time.perf_counter() - began))
        service.close()
        return took, wrong, failed

    with ThreadPoolExecutor(CLIENTS) as clients:
        results = list(clients.map(client, range(CLIENTS)))
    took = [one for times, _, _ in results for one in times]
    failed = [one for _, _, faults in results for one in faults]
    p95 = float(np.percentile(took, 95)) if took else math.inf
    return Load(len(took), len(failed), sum(wrong for _, wrong, _ in results), p95, failed[0] if failed else "")


def faults(load: Load, limits: Verify) -> list[str]:
    """What was wrong under load."""
    reasons = []
    if load.failed > limits.max_error_rate * load.requests:
        reasons.append(f"{load.failed} of {load.requests} requests failed ({load.first_fault})")
    if load.wrong:
        reasons.append(f"{load.wrong} of {load.requests} predictions under load differ from those before")
    if load.p95_ms > limits.max_p95_ms:
        reasons.append(f"p95 is {load.p95_ms:.0f} ms, deploy.verify.max_p95_ms is {limits.max_p95_ms:g}")
    return reasons
