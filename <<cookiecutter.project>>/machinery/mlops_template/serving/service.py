"""The state of one process: the model, whether it may be asked, and what it was asked so far."""

import os
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import ProjectError
from ..prediction_log.handover import Setup
from ..prediction_log.ids import request_id
from ..prediction_log.policy import LogPolicy, key_of
from .batching import predict_together
from .environment import Settings
from .feedback import read_outcomes
from .files import SHADOW
from .log_process import LogProcess
from .log_queue import PredictionLog
from .prometheus import Metrics
from .rows import Batch, RequestRejected
from .runtime import Served, answers, decide, load

STARTING = "the model is being loaded"
DRAINING = "ending: it still answers, but send no more"

MAX_ROWS, MAX_BODY_MB = 10_000, 10.0
"""Of a request, where neither the environment nor the package says."""

encode = msgspec.json.Encoder().encode


class Service:
    """Answers bodies with bodies; knows nothing of HTTP but its statuses."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.max_rows, self.max_body_mb = settings.max_rows or MAX_ROWS, settings.max_body_mb or MAX_BODY_MB
        self.metrics = Metrics()
        self.log: PredictionLog | None = None
        self.served: Served | None = None
        self.why_not = STARTING
        self.batched = False
        """Whether requests that wait at the same moment are predicted together."""
        self.draining = False

    def start(self) -> None:
        """Load the model. One that cannot be is not raised but kept as the reason why the service is not ready."""
        try:
            served = load(self.settings.model_dir)
            self.log = self.open_log(served)
        except ProjectError as error:
            self.why_not = str(error)
            return
        release, limits = served.release, served.serving["limits"]
        self.max_rows = self.settings.max_rows or limits["max_rows"]
        self.max_body_mb = self.settings.max_body_mb or limits["max_body_mb"]
        self.decode = served.decoder(self.max_rows)
        self.batched = bool(served.card["derived"]) or served.serving["runtime"] == "sklearn"
        self.version = release["version"]
        self.decide = decide(served.card)
        self.reply = reply_type([*served.names, *(["prediction"] if self.decide else [])])
        self.metrics.know([column.name for column in served.schema.columns])
        self.served = served
        identity = {name: release[name] for name in ("version", "commit", "digest")}
        self.metrics.model.labels(**identity, runtime=served.serving["runtime"]).set(1)
        self.metrics.ready.set(1)

    def open_log(self, served: Served) -> PredictionLog | None:
        """The log of predictions, None where none is asked for. Raises ProjectError where it never could be written."""
        place = self.settings.predictions
        if place is None:
            return None
        policy = msgspec.convert(served.serving.get("log", {}), LogPolicy)
        shadow = self.settings.model_dir / SHADOW
        setup = Setup(
            place, policy, served.schema.id or "", key_of(policy, self.settings.predictions_key), os.urandom(6).hex(),
            served.release["digest"], shadow if shadow.is_dir() else None, self.max_rows,
        )  # fmt: skip
        kept = PredictionLog(LogProcess(setup), policy.sample, self.metrics.lost.inc, self.metrics.shadow_lost.inc)
        kept.start()
        return kept

    def end(self) -> None:
        """Write what is still to be written."""
        if self.log:
            self.log.close()

    def model(self) -> Served:
        """The model. Raises RequestRejected while there is none."""
        if self.served is None:
            raise RequestRejected(503, self.why_not)
        return self.served

    def reason(self) -> str | None:
        """Why no request should be sent here, None when all is well: the golden rows are asked each time."""
        if self.draining:
            return DRAINING
        if self.served is None:
            return self.why_not
        fault = self.served.fault()
        self.metrics.ready.set(0 if fault else 1)
        return fault

    def predict(self, body: bytes, logged: bool = True) -> bytes:
        """The predictions for the rows of a body, each with an id of its own. Raises RequestRejected."""
        began = time.perf_counter()
        served = self.model()
        batch = self.decode(body)
        return self.answer(body, batch, served.predict(batch.numbers, batch.categories), began, logged)

    def predict_together(self, requests: list[tuple[bytes, bool]]) -> list[bytes | Exception]:
        """The predictions for several requests, as `predict` gives them for one, or the exception of each."""
        began = time.perf_counter()
        replies: list[bytes | Exception] = []
        outcomes = predict_together(self.model(), self.decode, [body for body, _ in requests])
        for (body, logged), outcome in zip(requests, outcomes, strict=True):
            if isinstance(outcome, Exception):
                replies.append(outcome)
                continue
            try:
                replies.append(self.answer(body, *outcome, began, logged))
            except RequestRejected as rejected:
                replies.append(rejected)
        return replies

    def answer(self, body: bytes, batch: Batch, predictions: NDArray[Any], began: float, logged: bool) -> bytes:
        """What is answered, logged and counted. Raises RequestRejected where a prediction is not finite."""
        if not np.isfinite(predictions).all():
            row = int(np.flatnonzero(~np.isfinite(predictions).all(axis=1))[0])
            raise RequestRejected(422, f"row {row}: the model has no finite prediction for it", row)
        now = time.time()
        request = request_id(now)
        reply = self.reply
        values = answers(predictions, self.decide)
        replies = [reply(f"{request}-{row}", *row_values) for row, row_values in enumerate(values)]
        encoded = encode({"version": self.version, "predictions": replies})
        if self.log and logged:
            self.log.add(body, encoded, len(replies))
        self.count(len(replies), batch.missing, batch.unseen, time.perf_counter() - began, logged)
        return encoded

    def count(self, rows: int, missing: dict[str, int], unseen: dict[str, int], seconds: float, logged: bool) -> None:
        """Add an answered request to the metrics."""
        metrics = self.metrics
        metrics.answered.inc()
        metrics.rows.inc(rows)
        metrics.seconds.observe(seconds)
        for column, number in missing.items():
            metrics.missing_in[column].inc(number)
        for column, number in unseen.items():
            metrics.unseen_in[column].inc(number)
        if self.log and logged:
            self.log.count(200, rows, seconds)

    def refuse(self, refused: RequestRejected, seconds: float, logged: bool) -> None:
        """Add a refused request to the metrics."""
        self.metrics.requests.labels(str(refused.status)).inc()
        if self.log and logged:
            self.log.count(refused.status, 0, seconds, refused.column or "")

    def feedback(self, body: bytes) -> bytes:
        """Hand outcomes to the log. Raises RequestRejected, also where there is no log, or too much is waiting."""
        served = self.model()
        if self.log is None:
            raise RequestRejected(404, "no predictions are kept here: start the service with PREDICTIONS set")
        outcomes = read_outcomes(body, served.card, self.max_rows)
        taken = self.log.add_outcomes(outcomes)
        if taken < len(outcomes):
            raise RequestRejected(503, f"{taken} of {len(outcomes)} outcomes were taken: send them again later")
        self.metrics.outcomes.inc(taken)
        return encode({"accepted": taken})

    def card(self) -> dict[str, Any]:
        """The model that serves: which, from where, how good, and how it runs."""
        served = self.model()
        shown = ("task", "target", "classes", "positive", "estimator", "training", "versions")
        shadow = self.log and self.log.process.opened.shadow
        beside = {"shadow": shadow} if shadow else {}
        return {**served.release, **{name: served.card[name] for name in shown}, "serving": served.serving, **beside}


def reply_type(names: list[str]) -> Callable[..., object]:
    """The prediction for one row, which is faster made and encoded than a dictionary."""
    fields = {"id": "id", **{f"a{place}": name for place, name in enumerate(names)}}
    try:
        return msgspec.defstruct("Reply", list(fields), rename=fields.get, gc=False)
    except ValueError:  # a name with a quotation mark, a backslash or a control character
        return lambda *values: dict(zip(fields.values(), values, strict=True))
