"""The service predicts what the pipeline does, and refuses what breaks the contract."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlops_template.deploy.package import fill
from mlops_template.render.json_file import write_json
from mlops_template.serving.environment import Settings
from mlops_template.serving.rows import RequestRejected
from mlops_template.serving.service import Service
from mlops_template.settings import paths
from mlops_template.settings.params import Params
from mlops_template.training.artifact import load_model
from mlops_template.training.records import as_records


@pytest.fixture(scope="module")
def service(tiny: Path, params: Params) -> Service:
    """The service of the tiny project's model, in this process."""
    paths.PACKAGE.mkdir(parents=True)
    fill(paths.PACKAGE, paths.CHALLENGER, params)
    release = {"version": 1, "commit": None, "digest": "made-up", "window": {}, "metrics": {}}
    write_json(paths.PACKAGE / "release.json", release)
    service = Service(Settings(model_dir=paths.PACKAGE))
    service.start()
    return service


def test_it_is_ready(service: Service) -> None:
    assert service.reason() is None


def test_it_predicts_as_the_pipeline_does(service: Service, rows: pd.DataFrame) -> None:
    model = load_model(paths.CHALLENGER)
    body = json.dumps(as_records(rows.tail(50)[list(model.request)])).encode()
    served = pd.DataFrame(json.loads(service.predict(body))["predictions"])
    expected = model.predict(rows.tail(50))
    assert np.allclose(served[expected.columns], expected, rtol=1e-3, atol=1e-3)


def test_a_column_that_it_does_not_know_is_refused(service: Service) -> None:
    with pytest.raises(RequestRejected, match="nonsense"):
        service.predict(b'{"nonsense": 1}')
