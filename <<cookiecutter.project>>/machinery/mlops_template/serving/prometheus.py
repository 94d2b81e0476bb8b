"""What Prometheus is told of the service."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.process_collector import ProcessCollector

from ..prediction_log.handover import BUCKETS

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several processes add up; set before this module is imported."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        if SHARED not in os.environ:
            ProcessCollector(registry=self.registry)
        self.requests = Counter("predict_requests", "Requests, by HTTP status.", ["status"], registry=self.registry)
        self.rows = Counter("predict_rows", "Rows that were predicted.", registry=self.registry)
        self.missing = Counter("predict_missing", "Absent values, by column.", ["column"], registry=self.registry)
        self.unseen = Counter(
            "predict_unseen", "Categories that the model was not trained on, by column.", ["column"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "predict_seconds", "From the whole body to the answer.", buckets=BUCKETS, registry=self.registry
        )
        self.ready = Gauge(
            "model_ready", "1 when the model predicts as it did in training.", registry=self.registry,
            multiprocess_mode="livemin",
        )  # fmt: skip
        self.model = Gauge(
            "model_info", "The model that serves.", ["version", "commit", "digest", "runtime"], registry=self.registry,
            multiprocess_mode="livemax",
        )  # fmt: skip
        self.lost = Gauge(
            "predictions_lost", "Answered, but not kept in the log of predictions.", registry=self.registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.shadow_lost = Gauge(
            "shadow_lost", "Rows that the model beside the champion left out.", registry=self.registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.outcomes = Counter("feedback_outcomes", "Outcomes that were taken.", registry=self.registry)
        self.answered = self.requests.labels("200")

    def know(self, columns: list[str]) -> None:
        """Begin to count for these columns, at nothing."""
        self.missing_in = {name: self.missing.labels(name) for name in columns}
        self.unseen_in = {name: self.unseen.labels(name) for name in columns}

    def text(self) -> bytes:
        """All figures, those of all processes together."""
        if SHARED not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
