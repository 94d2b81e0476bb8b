"""Rules and dashboard in a real Prometheus and Alertmanager, which scrape the real service.

Each rule is seen to fire and to end, and each query of the dashboard gives data. The rules are those of the project but
for their windows: minutes become seconds.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from machinery.serving import ROW, make_package

from support import ROOT, missing, wait_for

DEPLOY = ROOT / "<<cookiecutter.project>>" / "deploy" / "monitoring"
SHORT = {r"\[\d+m\]": "[6s]", r"for: \d+m": "for: 0s"}
"""The windows of the rules, as the test can wait for them."""


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def post(port: int, content: Any) -> int:
    """Ask for predictions; gives the status."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict", json.dumps(content).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def get(url: str) -> Any:
    """JSON."""
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.load(reply)


@contextmanager
def process(*command: str, folder: Path, ready: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that listens on loopback, until the context ends."""
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        running = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={"PATH": "/usr/bin:/bin", **variables}
        )
    try:
        wait_for(lambda: answers(ready), f"{command[0]} does not answer")
        yield running
    finally:
        running.terminate()
        running.wait(30)


def answers(url: str) -> bool:
    """Whether anything does."""
    try:
        urllib.request.urlopen(url, timeout=2)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def service(package: Path, port: int, folder: Path, **variables: str) -> Any:
    """The service as the image starts it."""
    return process(
        sys.executable, "-m", "mlops_template.serving",
        folder=folder, ready=f"http://127.0.0.1:{port}/health",
        MODEL_DIR=str(package), PORT=str(port), DRAIN_SECONDS="0", **variables,
    )  # fmt: skip


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One that serves, the same as another release, and one that is damaged."""
    folder = tmp_path_factory.mktemp("packages")
    good = make_package(folder) / "build/model"
    other = Path(shutil.copytree(good, folder / "other"))
    release = json.loads((other / "release.json").read_text())
    (other / "release.json").write_text(json.dumps(release | {"version": 8, "digest": "d2.dir"}))
    broken = Path(shutil.copytree(good, folder / "broken"))
    (broken / "model.onnx").write_bytes(b"no model")
    return {"good": good, "other": other, "broken": broken}


class Watched:
    """A Prometheus with the rules, an Alertmanager, and what that has sent."""

    def __init__(self, url: str, sent: list[tuple[str, str]]) -> None:
        self.url, self.sent = url, sent

    def firing(self) -> set[str]:
        """The rules that fire now."""
        alerts = get(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def fires(self, rule: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        """See it fire, and the message of that arrive."""
        wait_for(lambda: rule in self.firing(), f"{rule} does not fire", meanwhile)
        wait_for(lambda: (rule, "firing") in self.sent, f"{rule} is not sent", meanwhile)

    def ends(self, rule: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        """See it end, and the message of that arrive."""
        wait_for(lambda: rule not in self.firing(), f"{rule} does not end", meanwhile)
        wait_for(lambda: (rule, "resolved") in self.sent, f"the end of {rule} is not sent", meanwhile)

    def query(self, expression: str) -> list[Any]:
        """What an expression gives now."""
        found = get(f"{self.url}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        result: list[Any] = found["data"]["result"]
        return result


@contextmanager
def watching(folder: Path, ports: list[int], threshold: str) -> Iterator[Watched]:
    """Prometheus and Alertmanager over services at some ports, with a lower limit of what is slow."""
    for program in ("prometheus", "prometheus-alertmanager"):
        if not shutil.which(program):
            missing(program, f"`apt-get install {program}` or the like")
    sent: list[tuple[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["content-length"])))
            sent.extend((alert["labels"]["alertname"], alert["status"]) for alert in content["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    rules = (DEPLOY / "alerts.yaml").read_text(encoding="utf-8").replace("> 0.1\n", f"> {threshold}\n")
    for long, short in SHORT.items():
        rules = re.sub(long, short, rules)
    (folder / "alerts.yaml").write_text(rules)
    prometheus, alertmanager = free_port(), free_port()
    targets = [f"127.0.0.1:{port}" for port in ports]
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [{"job_name": "model", "static_configs": [{"targets": targets}]}],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    route = {"receiver": "test", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    hook = {"url": f"http://127.0.0.1:{receiver.server_port}", "send_resolved": True}
    receivers = [{"name": "test", "webhook_configs": [hook]}]
    (folder / "alertmanager.yml").write_text(yaml.safe_dump({"route": route, "receivers": receivers}))
    with (
        process(
            "/usr/bin/prometheus-alertmanager", "--config.file=alertmanager.yml", "--storage.path=alertmanager",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=",
            folder=folder, ready=f"http://127.0.0.1:{alertmanager}/-/ready",
        ),
        process(
            "/usr/bin/prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            folder=folder, ready=f"http://127.0.0.1:{prometheus}/-/ready",
        ),
    ):  # fmt: skip
        yield Watched(f"http://127.0.0.1:{prometheus}", sent)
    receiver.shutdown()
    receiver.server_close()


@pytest.mark.slow
def test_each_rule_fires_and_ends_and_each_query_gives_data(packages: dict[str, Path], tmp_path: Path) -> None:
    one, two = free_port(), free_port()
    (tmp_path / "no.db").write_text("no database at all, only some text that is long enough to be read")
    calm = lambda: post(one, ROW)  # noqa: E731
    with ExitStack() as stack:
        watched = stack.enter_context(watching(tmp_path, [one, two], "0.0005"))
        with service(packages["good"], one, tmp_path), service(packages["broken"], two, tmp_path):
            watched.fires("ModelNotReady", calm)
            watched.fires("ModelFails", lambda: (calm(), post(two, ROW)))
        watched.fires("ModelDown")
        kept = str(tmp_path / "no.db")
        with service(packages["good"], one, tmp_path, PREDICTIONS=kept), service(packages["other"], two, tmp_path):
            for rule in ("ModelDown", "ModelNotReady", "ModelFails"):
                watched.ends(rule, calm)
            watched.fires("SeveralModels", calm)
            watched.fires("PredictionsLost", calm)
        with service(packages["other"], one, tmp_path), service(packages["other"], two, tmp_path):
            for rule in ("SeveralModels", "PredictionsLost"):
                watched.ends(rule, calm)
            watched.fires("ModelRefusesRequests", lambda: (calm(), post(one, {**ROW, "price": -1})))
            watched.fires("ModelSeesNewCategories", lambda: post(one, {**ROW, "shop": "moon"}))
            watched.fires("ModelSlow", lambda: [post(one, [ROW] * 200) for _ in range(10)])
            for rule in ("ModelRefusesRequests", "ModelSeesNewCategories", "ModelSlow"):
                watched.ends(rule, lambda: [calm() for _ in range(10)])
            post(one, [{**ROW, "shop": None}])
            queries = [
                re.sub(r"\[\d+m\]", "[30s]", target["expr"])
                for panel in dashboard()["panels"]
                for target in panel["targets"]
            ]
            assert len(queries) >= 10
            wait_for(lambda: all(watched.query(one) for one in queries), "a query of the dashboard gives nothing", calm)


def dashboard() -> dict[str, Any]:
    """The file."""
    content: dict[str, Any] = json.loads((DEPLOY / "dashboard.json").read_text(encoding="utf-8"))
    return content


def test_the_dashboard_is_one_as_grafana_has_it() -> None:
    """Read and written again by Grafana's own models, which drop what they do not know, nothing is lost."""
    content = dashboard()
    again = json.loads(json.dumps(Dashboard.from_json(content), cls=JSONEncoder))

    def lost(before: Any, after: Any, place: str) -> list[str]:
        if isinstance(before, dict):
            return [one for key, value in before.items() for one in lost(value, after.get(key), f"{place}.{key}")]
        if isinstance(before, list):
            pairs = zip(before, after or [], strict=True)
            return [one for number, pair in enumerate(pairs) for one in lost(*pair, f"{place}[{number}]")]
        return [] if before == after else [place]

    assert lost(content, again, "") == []
    places = [panel["gridPos"] for panel in content["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)


def test_every_metric_that_rules_and_dashboard_ask_for_is_there(tmp_path: Path, packages: dict[str, Path]) -> None:
    """A renamed metric would only be noticed by an alarm that never comes."""
    from mlops_template.serving.environment import Settings
    from mlops_template.serving.service import Service

    served = Service(Settings(model_dir=packages["good"]))
    served.start()
    known = set(re.findall(r"^(\w+)[ {]", served.metrics.text().decode(), re.MULTILINE)) | {"up"}
    rules = yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    asked = [rule["expr"] for rule in rules]
    asked += [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    plain = [re.sub(r'"[^"]*"', "", one) for one in asked]
    names = {name for one in plain for name in re.findall(r"\b(?:model|predict|feedback)\w*\b|\bup\b", one)}
    assert len(names) >= 8
    assert names <= known
