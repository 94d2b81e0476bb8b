"""Production as a test plays it: requests of the sample's months, answered by the champion at their own times."""

import json
import time
from datetime import UTC
from pathlib import Path

import pandas as pd
import pytest
from mlops_template.data import sample
from mlops_template.integrations.digests import directory_digest
from mlops_template.prediction_log.ids import request_id
from mlops_template.prediction_log.writer import Answered, PredictionLog
from mlops_template.training.artifact import load_model


def months(first: str, last: str) -> pd.DataFrame:
    """The sample's rows from one day up to another, with the target."""
    rows = sample.year("late")
    return rows[(rows["departure"] >= first) & (rows["departure"] < last)]


def play(project: Path, place: str, rows: pd.DataFrame) -> None:
    """Log what the champion of a project predicts for rows, at the moments of their departures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        model, digest = load_model(Path("models/champion")), directory_digest(Path("models/champion"))
        predicted = model.predict(rows).to_numpy().tolist()
        columns = ["flight_id", *model.request]
        content = rows[columns].astype(object).where(rows[columns].notna(), None).to_dict("records")
        log = PredictionLog(place, id_column="flight_id")
        log.start()
        for row, departure, (no, yes) in zip(content, rows["departure"], predicted, strict=True):
            at = departure.replace(tzinfo=UTC).timestamp()
            body, reply = json.dumps(row).encode(), [[no, yes, int(yes > 0.5)]]
            entry = Answered(request_id(at), at, digest, body, [row["flight_id"]], reply)
            while not log.add(entry):
                time.sleep(0.05)  # it makes room as it writes
        log.close()
        assert log.kept == len(rows), log.why_lost
