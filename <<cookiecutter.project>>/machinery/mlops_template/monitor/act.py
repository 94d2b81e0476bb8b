"""What becomes of the problems in production: an issue each, a message to the team, a retraining."""

import json
import os
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

from ..integrations import actions, gh
from ..integrations.issues import Alert, alerts, close, close_alert, enabled, note, open_alert, raise_alert
from ..settings.params import Params
from . import show
from .exported import imported
from .monitoring import Monitoring, Problem

KEY = "production"
"""What the keys of these alerts begin with."""

LATE = "monitoring-export"

WEBHOOK = "ALERT_WEBHOOK"
"""The environment variable with a URL that takes a message as JSON, `{"text": …}`, such as those of Slack and Teams."""

WEBHOOK_SECONDS = 10

RETRAINED = "retrained"
"""The label of a problem for which a retraining was started."""

AGAIN = timedelta(days=30)
"""A problem that comes back sooner after a retraining was not helped by it."""


def act(params: Params, monitoring: Monitoring, now: datetime | None = None) -> list[str]:
    """Open, update and close the issues of problems, tell the webhook of new ones, and start a retraining.

    A problem starts one retraining; one that is back within 30 days of it is told as such, and starts none. Returns
    lines that say what was done.
    """
    now = now or datetime.now(UTC)
    report = note("production", show.markdown(monitoring))
    actions.summary(show.markdown(monitoring))
    done = [show.headline(monitoring)]
    started = False
    with gh.required() as repository, enabled():
        before = alerts(repository, KEY, "closed")
        for problem in monitoring.open:
            key = key_of(problem)
            back = came_back(before.get(key), now)
            alert = raise_alert(repository, key, title_of(problem, back), [report], [severity_of(problem, back)])
            done.append(str(alert))
            if alert.new:
                done += tell(os.environ.get(WEBHOOK, ""), title_of(problem, back), alert)
            if alert.new and not back and not started and params.monitor.retrain:
                done.append(retrain(repository, problem, alert))
                started = True
        current = {key_of(problem) for problem in monitoring.open}
        for key, issue in alerts(repository, KEY, "open").items():
            if key not in current:
                done.append(
                    close(repository, issue, f"Over, as champion {monitoring.champion.number} does in production.")
                )
    return done


def act_on_export(params: Params, now: datetime | None = None) -> list[str]:
    """The same by what was exported; that this is no longer done has an issue of its own.

    Right after a promotion the export is of the champion before: nothing is judged until there is one of the new.
    """
    now = now or datetime.now(UTC)
    exported = imported()
    late = exported.late(now)
    if late:
        return [open_alert(LATE, "Production is not looked at", [note("export", late)])]
    superseded = exported.superseded()
    if superseded:
        return [f"nothing is judged: {superseded}"]
    return [*act(params, exported.monitoring, now), close_alert(LATE, "Production is looked at again.")]


def key_of(problem: Problem) -> str:
    """By what is blamed most, so that a problem keeps its issue while others join it."""
    return f"{KEY}-{problem.figures[0].replace(' ', '-')}"


def title_of(problem: Problem, back: bool) -> str:
    """Of the issue."""
    again = ": the retraining did not help" if back else ""
    return f"Production: {show.listed(problem.figures)} changed{again}"


def severity_of(problem: Problem, back: bool) -> str:
    """A label: critical where the predictions have become worse, or a retraining did not help."""
    return f"severity: {'critical' if back or problem.of_performance else 'warning'}"


def came_back(issue: dict[str, Any] | None, now: datetime) -> bool:
    """Whether a closed issue of the same problem had a retraining not long ago."""
    if issue is None or RETRAINED not in {label["name"] for label in issue["labels"]}:
        return False
    return bool(now - datetime.fromisoformat(issue["closed_at"]) < AGAIN)


def retrain(repository: gh.Repository, problem: Problem, alert: Alert) -> str:
    """Start `retrain.yml` with the reason; its budget decides whether it retrains."""
    reason = f"{show.sentence(problem)} (issue {alert.number})"
    repository.tell("POST", "/actions/workflows/retrain.yml/dispatches", ref="main", inputs={"production": reason})
    repository.tell("POST", f"/issues/{alert.number}/labels", labels=[RETRAINED])
    return f"started retrain.yml: {reason}"


def tell(url: str, title: str, alert: Alert) -> list[str]:
    """Send a message to the webhook, if there is one; that it cannot be sent is told, and no failure."""
    if not url:
        return []
    body = json.dumps({"text": f"{title}: {alert.url}"}).encode()
    try:
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS):
            return [f"told {WEBHOOK}"]
    except (OSError, ValueError) as error:
        return [f"warning: {WEBHOOK} cannot be reached ({type(error).__name__})"]
