"""A service is verified over HTTP: what answers as the champion does passes, and every fault is named."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.deploy.client import NoResponse, ServiceClient
from mlops_template.deploy.verify import Expected, distance, hold_against
from mlops_template.errors import ProjectError
from mlops_template.training.records import as_json
from mlops_template.integrations.revisions import Champion
from mlops_template.settings.operation import Deploy, Verify
from mlops_template.settings.params import Serving
from mlops_template.settings.params import Params

CHAMPION = Champion(3, "abcdef0123456789.dir", "c0ffee")
KEYS = ("probability_0", "probability_1")
LIMITS = Verify(seconds=0.3, max_p95_ms=200)


def answer(row: dict[str, Any]) -> dict[str, float]:
    """What the champion says of a row."""
    late = 1 / (1 + row["distance"])
    return dict(zip(KEYS, (1 - late, late), strict=True))


def rows(first: int, last: int) -> list[tuple[dict[str, Any], dict[str, float]]]:
    return [({"distance": number}, answer({"distance": number})) for number in range(first, last)]


EXPECTED = Expected(CHAMPION, rows(0, 10), rows(10, 310))


@dataclass
class Fake:
    """A service with faults: the rows that are answered wrongly, how long it takes, what it refuses."""

    wrong: set[int] = field(default_factory=set)
    seconds: float = 0
    fails_every: int = 0
    ready_after: float = 0
    digest: str = CHAMPION.digest
    keys: tuple[str, ...] = KEYS
    most_rows: int = 10_000
    refused: set[int] = field(default_factory=set)
    refusal: int = 422
    kind: type = float
    began: float = field(default_factory=time.monotonic)
    singles: int = 0
    wrong_alone: bool = False
    url: str = ""

    def get(self, path: str) -> tuple[int, Any]:
        if path == "/ready":
            ready = time.monotonic() - self.began >= self.ready_after
            return (200, {"ready": True}) if ready else (503, {"detail": "the model is being loaded"})
        return 200, {"version": 3, "digest": self.digest}

    def post(self, sent: list[dict[str, Any]]) -> tuple[int, Any]:
        if len(sent) > self.most_rows or self.refused & {row["distance"] for row in sent}:
            return self.refusal, {"detail": "row 0: column distance: 4 is none of 1, 2, 3"}
        if len(sent) == 1:
            time.sleep(self.seconds)
            self.singles += 1
            if self.fails_every and self.singles % self.fails_every == 0:
                return 500, {"detail": "out of luck"}
            if self.wrong_alone:
                return 200, {"predictions": [{name: 0.5 for name in self.keys}]}
        return 200, {"predictions": [self.one(row) for row in sent]}

    def one(self, row: dict[str, Any]) -> dict[str, float]:
        found = dict(zip(self.keys, map(self.kind, answer(row).values()), strict=True))
        return {name: value + 0.01 for name, value in found.items()} if row["distance"] in self.wrong else found


@pytest.fixture
def fake() -> Iterator[Fake]:
    """A service on loopback."""
    service = Fake()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.reply(*service.get(self.path))

        def do_POST(self) -> None:
            self.reply(*service.post(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def reply(self, status: int, content: Any) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        service.url = f"http://127.0.0.1:{server.server_port}"
        yield service
        server.shutdown()
        thread.join()


def look(
    fake: Fake, expected: Expected = EXPECTED, limits: Verify = LIMITS, wait: float = 5, most_rows: int = 10_000
) -> str:
    return hold_against(fake.url, expected, params(limits, most_rows), wait)


def params(limits: Verify = LIMITS, most_rows: int = 10_000) -> Params:
    return Params.model_construct(deploy=Deploy(verify=limits), serving=Serving(max_rows=most_rows))


def test_what_answers_as_the_champion_passes_with_one_line(fake: Fake) -> None:
    said = look(fake)
    assert "\n" not in said
    assert f"{fake.url} predicts as champion 3 (abcdef01): 10 golden rows and 300 of the holdout, 0 differ" in said
    assert ", 0 failed, p95 " in said


def test_a_few_rows_may_differ_as_the_budget_of_serving_has_it(fake: Fake) -> None:
    fake.wrong = {50}
    assert "1 differ" in look(fake)
    fake.wrong = {3, 50}
    with pytest.raises(ProjectError, match=r"2 of 310 rows, 1 of them golden, .* \(by up to 0.01; .* allows 1\)"):
        look(fake)


def test_another_model_is_told_from_the_champion(fake: Fake) -> None:
    fake.digest = "0123456789abcdef.dir"
    with pytest.raises(ProjectError, match=r"runs champion 3 \(01234567\), not champion 3 \(abcdef01\)"):
        look(fake)


def test_a_slow_one_and_a_failing_one_are_refused_with_both_reasons(fake: Fake) -> None:
    fake.seconds, fake.fails_every = 0.05, 4
    with pytest.raises(ProjectError) as refused:
        look(fake, limits=Verify(seconds=0.5, max_p95_ms=20))
    assert "requests failed (" in str(refused.value) and "answered 500: out of luck" in str(refused.value)
    assert "deploy.verify.max_p95_ms is 20" in str(refused.value)
    fake.seconds = 0
    assert "failed, p95" in look(fake, limits=Verify(seconds=0.3, max_error_rate=0.5))


def test_one_that_gets_ready_is_waited_for_and_one_that_does_not_says_why(fake: Fake) -> None:
    fake.ready_after = 0.7
    assert "predicts as champion 3" in look(fake)
    fake.ready_after = 1e9
    with pytest.raises(NoResponse, match=r"not ready after 0\.6 seconds: .*/ready answered 503: the model is being"):
        look(fake, wait=0.6)
    with pytest.raises(NoResponse, match="does not answer"):
        hold_against("http://127.0.0.1:9", EXPECTED, params(), 0)


def test_answers_of_another_kind_are_wrong(fake: Fake) -> None:
    fake.keys = ("no", "yes")
    with pytest.raises(ProjectError, match=r"310 of 310 rows, .* \(by up to inf;"):
        look(fake)


def test_an_answer_that_is_no_number_is_wrong(fake: Fake) -> None:
    fake.kind = str
    with pytest.raises(ProjectError, match=r"310 of 310 rows, .* \(by up to inf;"):
        look(fake)


def test_no_more_rows_are_asked_at_a_time_than_are_taken(fake: Fake) -> None:
    fake.most_rows = 7
    assert "0 differ" in look(fake, most_rows=7)


def test_an_earlier_champion_need_not_take_the_rows_of_a_wider_contract(fake: Fake) -> None:
    """The newest champion must: what is held out satisfies the contract."""
    fake.refused = {200}
    with pytest.raises(NoResponse, match="answered 422: row 0: column distance"):
        look(fake)
    said = look(fake, replace(EXPECTED, earlier=True))
    assert "10 golden rows and 0 of the holdout, 0 differ (it takes other rows: " in said
    fake.refusal = 500
    with pytest.raises(NoResponse, match="answered 500"):
        look(fake, replace(EXPECTED, earlier=True))


def test_without_the_old_pipeline_the_golden_rows_are_held_against_alone(fake: Fake) -> None:
    said = look(fake, Expected(CHAMPION, EXPECTED.golden, [], "the model does not load"))
    assert "10 golden rows and 0 of the holdout, 0 differ (the model does not load)" in said


def test_a_prediction_is_measured_in_standard_deviations(fake: Fake) -> None:
    fake.keys = ("prediction", "nothing")
    known = [({"distance": one}, {"prediction": answer({"distance": one})["probability_0"]}) for one in range(300)]
    expected = Expected(CHAMPION, known[:10], known[10:])
    assert "0 differ" in look(fake, expected)
    spread = np.std([found["prediction"] for _, found in known])
    fake.wrong = {3, 4}
    with pytest.raises(ProjectError, match=f"by up to {0.01 / spread:.2g}"):
        look(fake, expected)


def test_a_cell_is_sent_as_the_contract_has_it() -> None:
    cells = [np.float64(5.0), np.float64(np.nan), np.int64(3), np.float64(0.1), pd.Timestamp("2013-01-01 05:00"), pd.NA]
    assert [as_json(cell) for cell in cells] == [5, None, 3, 0.1, "2013-01-01T05:00:00", None]
    assert isinstance(as_json(cells[0]), int)


def test_something_else_that_listens_there_is_told(fake: Fake) -> None:
    fake.get = lambda path: (200, None)  # type: ignore[method-assign]
    with pytest.raises(NoResponse, match="gave no JSON"):
        ServiceClient(fake.url).get("/model")


def test_what_is_right_in_a_batch_but_wrong_under_load_is_found(fake: Fake) -> None:
    fake.wrong_alone = True
    with pytest.raises(ProjectError, match=r"\d+ of \d+ predictions under load differ from those before"):
        look(fake)


@pytest.mark.parametrize("value", [float("nan"), None, "0.5"])
def test_what_is_no_number_is_infinitely_far_from_one(value: Any) -> None:
    assert distance({"probability_1": value}, {"probability_1": 0.5}) == np.inf
