"""A problem in production is told once, kept up to date, and closed; it starts one retraining and no second one."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlops_template.integrations import gh
from mlops_template.integrations.issues import SILENCED, alerts
from mlops_template.integrations.revisions import Champion
from mlops_template.monitor.act import RETRAINED, act
from mlops_template.monitor.monitoring import Monitoring, Problem
from mlops_template.settings.params import Params, load_params

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DRIFT, WORSE = "the distribution of price", "the loss"


class Hub:
    """Issues and dispatches, as far as acting asks for them."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []
        self.dispatches: list[dict[str, str]] = []
        self.comments: list[str] = []

    def get(self, path: str) -> Any:
        state = path.partition("state=")[2].partition("&")[0]
        return [issue for issue in reversed(self.issues) if issue["state"] == state]

    def tell(self, method: str, path: str, **fields: Any) -> Any:
        if path == "/issues":
            number = len(self.issues) + 1
            made = {"number": number, "state": "open", "html_url": f"https://github.test/{number}", "closed_at": None}
            self.issues.append({**made, **fields, "labels": [{"name": name} for name in fields["labels"]]})
            return self.issues[-1]
        if path.endswith("/dispatches"):
            self.dispatches.append(fields["inputs"])
            return None
        issue = self.issues[int(path.split("/")[2]) - 1]
        if path.endswith("/labels"):
            issue["labels"] += [{"name": name} for name in fields["labels"]]
        elif path.endswith("/comments"):
            self.comments.append(fields["body"])
        else:
            issue.update(fields)
            if fields.get("state") == "closed":
                issue["closed_at"] = NOW.isoformat()
        return issue

    def labels(self, number: int) -> set[str]:
        """Of an issue."""
        return {label["name"] for label in self.issues[number - 1]["labels"]}


@pytest.fixture
def hub(project: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """An empty one."""
    made = Hub()
    monkeypatch.setattr(gh, "at_origin", lambda: made)
    monkeypatch.delenv("ALERT_WEBHOOK", raising=False)
    return made


def look(*figures: str, champion: int = 1, now: datetime = NOW, params: Params | None = None) -> list[str]:
    """Act on problems of one figure each."""
    problems = [Problem(NOW, [figure], None, figure == WORSE) for figure in figures]
    found = Monitoring(Champion(champion, "d1.dir", "c0ffee"), "roc_auc", None, 90, 30, [], [], problems)
    return act(params or load_params(), found, now)


def test_a_problem_has_one_issue_while_it_lasts(hub: Hub) -> None:
    look(DRIFT)
    again = look(DRIFT)
    assert [issue["title"] for issue in hub.issues] == ["Production: the distribution of price changed"]
    assert "issue 1 is up to date" in again[1]
    assert "severity: warning" in hub.labels(1)
    assert "champion 1 needs attention since 2026-05-01" in hub.issues[0]["body"]
    look()
    assert hub.issues[0]["state"] == "closed"
    assert hub.comments == ["Over, as champion 1 does in production.\n"]


def test_each_problem_has_its_own_and_worse_predictions_are_critical(hub: Hub) -> None:
    look(DRIFT, WORSE)
    assert len(hub.issues) == 2
    assert "severity: critical" in hub.labels(2)
    look(WORSE)
    assert [issue["state"] for issue in hub.issues] == ["closed", "open"]


def test_one_retraining_is_started_with_the_reason(hub: Hub) -> None:
    look(DRIFT, WORSE)
    look(DRIFT, WORSE)
    assert hub.dispatches == [{"production": "2026-05-01: the distribution of price changed (issue 1)"}]
    assert RETRAINED in hub.labels(1)
    assert RETRAINED not in hub.labels(2)


def test_a_problem_that_is_back_after_a_retraining_starts_no_other(hub: Hub) -> None:
    look(DRIFT)
    look()
    look(DRIFT, champion=2, now=NOW + timedelta(days=10))
    assert len(hub.dispatches) == 1
    assert hub.issues[1]["title"].endswith("changed: the retraining did not help")
    assert "severity: critical" in hub.labels(2)
    look(now=NOW + timedelta(days=11))
    look(DRIFT, now=NOW + timedelta(days=60))
    assert len(hub.dispatches) == 2, "long after, it is another one"


def test_a_setting_leaves_the_retraining_to_a_person(hub: Hub) -> None:
    params = load_params()
    settings = params.monitor.model_copy(update={"retrain": False})
    look(DRIFT, params=params.model_copy(update={"monitor": settings}))
    assert hub.dispatches == []


def test_a_label_silences_an_issue(hub: Hub) -> None:
    look(DRIFT)
    hub.issues[0]["labels"].append({"name": SILENCED})
    hub.issues[0]["body"] += "a note of somebody"
    told = look(DRIFT)
    assert "is silenced" in told[1]
    assert "a note of somebody" in hub.issues[0]["body"]


def test_other_alerts_are_left_alone(hub: Hub) -> None:
    hub.tell("POST", "/issues", title="Fresh data", body="<!-- notice: feed -->", labels=["alert"])
    look()
    assert hub.issues[0]["state"] == "open"
    assert set(alerts(hub, "", "open")) == {"feed"}  # type: ignore[arg-type]


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[Any]]]:
    """(a URL on loopback, what was posted there)."""
    posted: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_webhook_is_told_of_what_is_new(
    hub: Hub, webhook: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, posted = webhook
    monkeypatch.setenv("ALERT_WEBHOOK", url)
    look(DRIFT)
    look(DRIFT)
    assert posted == [{"text": "Production: the distribution of price changed: https://github.test/1"}]


def test_a_webhook_that_is_away_fails_nothing_and_is_not_shown(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its URL is a secret."""
    for url in ("http://127.0.0.1:1/s3cret", "no URL"):
        monkeypatch.setenv("ALERT_WEBHOOK", url)
        told = look(f"the distribution of {url[:4]}")
        assert any(line.startswith("warning: ALERT_WEBHOOK cannot be reached") for line in told)
        assert "s3cret" not in str(told)
