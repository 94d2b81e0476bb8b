"""`serve` answers for the champion on a laptop, and does what its own OpenAPI document says."""

import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from production import serving

from support import run


@pytest.mark.slow
def test_the_service_is_what_its_openapi_document_says(project_copy: Path) -> None:
    """Schemathesis finds no answer that is undocumented, no good row refused, no bad one answered, and no 5xx."""
    with serving(project_copy) as address:
        golden = json.loads((project_copy / "build/model/golden.json").read_text())
        body = json.dumps(golden["rows"]).encode()
        request = Request(f"{address}/predict", body, {"Content-Type": "application/json"})
        answers = json.loads(urlopen(request, timeout=30).read())["predictions"]
        for answer, expected in zip(answers, golden["predictions"], strict=True):
            assert answer["probability_1"] == pytest.approx(expected["probability_1"], abs=1e-4)
        document = f"{address}/openapi.json"
        run("uvx", "schemathesis>=4,<5", "run", document, "--checks", "all", "--max-examples", "50", cwd=project_copy)
        metrics = urlopen(f"{address}/metrics", timeout=30).read().decode()
        assert 'predict_requests_total{status="422"}' in metrics
        assert 'predict_requests_total{status="5' not in metrics
