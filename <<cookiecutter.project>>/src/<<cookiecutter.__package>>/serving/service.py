"""The state of one process: the model, whether it may be asked, and what it was asked so far."""

import os
import time
from typing import Any

import msgspec
import numpy as np

from ..errors import ProjectError
from .metrics import Metrics
from .rows import Decoder, Refused
from .runtime import Served, load
from .settings import Settings

STARTING = "the model is being loaded"
DRAINING = "ending: it still answers, but send no more"

encode = msgspec.json.Encoder().encode


class Service:
    """Answers bodies with bodies; knows nothing of HTTP but its statuses."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.served: Served | None = None
        self.why_not = STARTING
        self.draining = False

    def start(self) -> None:
        """Load the model. One that cannot be is not raised but kept as the reason why the service is not ready."""
        try:
            served = load(self.settings.model_dir)
            self.decode = Decoder(served.schema, self.settings.max_rows)
        except ProjectError as error:
            self.why_not = str(error)
            return
        release = served.release
        self.version, self.names, self.served = release["version"], served.names, served
        self.metrics.ready.set(1)
        self.metrics.model.labels(
            version=release["version"],
            commit=release["commit"],
            digest=release["digest"],
            runtime=served.serving["runtime"],
        ).set(1)

    def model(self) -> Served:
        """The model. Raises Refused while there is none."""
        if self.served is None:
            raise Refused(503, self.why_not)
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

    def predict(self, body: bytes) -> bytes:
        """The answers to the rows of a body, each with an id of its own. Raises Refused."""
        began = time.perf_counter()
        served = self.model()
        batch = self.decode(body)
        answers = served.answer(batch.numbers, batch.categories)
        if not np.isfinite(answers).all():
            row = int(np.flatnonzero(~np.isfinite(answers).all(axis=1))[0])
            raise Refused(422, f"row {row}: the model has no finite answer to it", row)
        request = os.urandom(12).hex()
        names = self.names
        found = [
            {"id": f"{request}-{row}", **dict(zip(names, answer, strict=True))}
            for row, answer in enumerate(answers.tolist())
        ]
        encoded = encode({"version": self.version, "answers": found})
        self.count(len(found), batch.missing, batch.unseen, time.perf_counter() - began)
        return encoded

    def count(self, rows: int, missing: dict[str, int], unseen: dict[str, int], seconds: float) -> None:
        """Add an answered request to the metrics."""
        metrics = self.metrics
        metrics.answered.inc()
        metrics.rows.inc(rows)
        metrics.seconds.observe(seconds)
        for column, number in missing.items():
            metrics.missing.labels(column).inc(number)
        for column, number in unseen.items():
            metrics.unseen.labels(column).inc(number)

    def card(self) -> dict[str, Any]:
        """The model that serves: which, from where, how good, and how it runs."""
        served = self.model()
        told = ("task", "target", "classes", "positive", "estimator", "training", "versions")
        return {**served.release, **{name: served.card[name] for name in told}, "serving": served.serving}
