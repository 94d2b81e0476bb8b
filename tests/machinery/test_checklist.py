"""The ML Test Score counts what the project can show, and nothing that was taken away."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from mlops_template.doctor.checklist import CRITERIA, Line, badge, checklist, points_of, renew_badge, score, write_badge, written
from mlops_template.errors import ProjectError

TODAY = date(2026, 11, 30)
REPORTS = {
    "reports/validation.json": {"rows": 1000},
    "reports/importance.json": {"a": {"value": 0.1}, "b": {"value": -0.01}},
    "reports/slices.json": {"origin": {"EWR": {}, "JFK": {}}},
    "reports/comparison.json": {"gates": [{"gate": "baseline", "passed": True}, {"gate": "groups", "passed": True}]},
    "reports/alternatives.json": {
        "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
        "linear": {
            "estimator": "sklearn.linear_model.LogisticRegression",
            "value": 0.70,
            "difference": {"value": 0.01, "low": -0.02, "high": 0.04},
            "better": False,
        },
        "older": [{"age": "28 days", "difference": {"value": -0.03, "low": -0.08, "high": 0.02}}],
    },
    "reports/serving.json": {"parity": {"rows": 1000}},
}


@pytest.fixture(scope="module")
def generated(bake: Callable[..., Path]) -> Path:
    """A project before its first training."""
    return bake()


@pytest.fixture
def fresh(generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as it was generated, with the reports of a first training."""
    folder = tmp_path / "fresh"
    shutil.copytree(generated, folder, ignore=shutil.ignore_patterns("machinery", ".git", ".venv"))
    for name, content in REPORTS.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def named(lines: list[Line]) -> dict[str, Line]:
    """By the names of the criteria."""
    return {line.criterion.name: line for line in lines}


def test_all_28_are_there_in_four_groups_of_seven() -> None:
    names = [one.name for one in CRITERIA]
    assert len(names) == len(set(names)) == 28
    assert {group: sum(one.group == group for one in CRITERIA) for group in {one.group for one in CRITERIA}} == dict.fromkeys(
        ("data", "model", "infrastructure", "monitoring"), 7
    )


def test_a_fresh_project_shows_what_it_has(fresh: Path) -> None:
    """What only a person can tell counts nothing before one has."""
    lines = checklist(TODAY)
    assert points_of(lines) == {"data": 5, "model": 5, "infrastructure": 6, "monitoring": 6}
    assert score(lines) == 5
    assert "nothing without b" in named(lines)["data-benefit"].shown
    assert "2 slices of origin" in named(lines)["model-slices"].shown
    assert written(lines).splitlines()[-1] == "ML Test Score: 5 of 7, that of the weakest group"
    assert ">5</text>" in badge(score(lines))
    assert Path("reports/ml-test-score.svg").read_text(encoding="utf-8") == badge(None), "before `setup`"
    assert write_badge(lines) and not write_badge(lines)
    assert Path("reports/ml-test-score.svg").read_text(encoding="utf-8") == badge(5)


def without(path: str) -> Callable[[], None]:
    """Deletes a file."""
    return lambda: Path(path).unlink()


def edited(path: str, pattern: str, new: str = "") -> Callable[[], None]:
    """Replaces what is there once or more."""

    def edit() -> None:
        text = Path(path).read_text(encoding="utf-8")
        changed = re.sub(pattern, new, text, flags=re.MULTILINE)
        assert changed != text, pattern
        Path(path).write_text(changed, encoding="utf-8")

    return edit


CALLS = ("data-schema", "data-benefit", "data-lead-time", "model-tuning", "model-staleness", "model-simpler", "infra-integration")
GATED = ("model-simpler", "model-slices", "model-inclusion", "infra-validation", "monitor-dependencies", "monitor-speed")
TESTED = ("data-code", "infra-reproducible", "infra-unit", "infra-validation", "monitor-inputs", "monitor-skew", "monitor-numerics")
WORKFLOWS = ".github/workflows"


@pytest.mark.parametrize(
    ("take_away", "lost"),
    [
        (without(f"{WORKFLOWS}/train.yml"), CALLS),
        (edited(f"{WORKFLOWS}/train.yml", "uv run flight-delays train"), CALLS),
        (without(f"{WORKFLOWS}/evaluate.yml"), ("data-lead-time", "infra-integration", *GATED)),
        (edited(f"{WORKFLOWS}/evaluate.yml", "uv run flight-delays compare"), ("data-lead-time", "infra-integration", *GATED)),
        (without(f"{WORKFLOWS}/test.yml"), TESTED),
        (edited(f"{WORKFLOWS}/test.yml", "flight-delays check", "flight-delays check-nothing"), TESTED),
        (without(f"{WORKFLOWS}/deploy.yml"), ("infra-canary", "infra-rollback", "monitor-speed")),
        (edited(f"{WORKFLOWS}/deploy.yml", "deploy try"), ("infra-canary", "monitor-speed")),
        (edited(f"{WORKFLOWS}/deploy.yml", "^      version:$", "      other:"), ("infra-rollback",)),
        (without(f"{WORKFLOWS}/retrain.yml"), ("monitor-inputs",)),
        (edited(f"{WORKFLOWS}/retrain.yml", "^  schedule:\n.*\n", ""), ("monitor-inputs",)),
        (without(f"{WORKFLOWS}/monitor.yml"), ("monitor-staleness",)),
        (edited(f"{WORKFLOWS}/monitor.yml", "^  schedule:\n.*\n"), ("monitor-staleness",)),
        (edited(f"{WORKFLOWS}/monitor.yml", "ci retraining watch", "ci nothing"), ("monitor-staleness",)),
        (without(".github/dependabot.yml"), ("monitor-dependencies",)),
        (without("tests/test_features.py"), ("data-code",)),
        (without("tests/test_gates.py"), ("infra-validation",)),
        (without("tests/test_service.py"), ("monitor-inputs", "monitor-skew")),
        (without("tests/test_pipeline.py"), ("infra-reproducible", "infra-unit", "monitor-numerics")),
        (edited("tests/test_pipeline.py", "def test_the_same", "def the_same"), ("infra-reproducible",)),
        (edited("tests/test_pipeline.py", "def test_it_learns", "def it_learns"), ("infra-unit",)),
        (edited("tests/test_pipeline.py", "def test_missing", "def missing"), ("monitor-numerics",)),
        (without("reports/validation.json"), ("data-schema",)),
        (without("reports/importance.json"), ("data-benefit",)),
        (without("reports/slices.json"), ("model-slices",)),
        (without("reports/comparison.json"), ("model-simpler", "model-inclusion")),
        (edited("reports/comparison.json", '"baseline", "passed": true', '"baseline", "passed": false'), ("model-simpler",)),
        (edited("reports/comparison.json", '"groups", "passed": true', '"groups", "passed": false'), ("model-inclusion",)),
        (edited("reports/comparison.json", '"groups"', '"others"'), ("model-inclusion",)),
        (edited("params.yaml", r"groups: \[origin\]", "groups: []"), ("model-inclusion",)),
        (without("reports/alternatives.json"), ("model-simpler", "model-staleness")),
        (edited("reports/alternatives.json", '"better": false', '"better": true'), ("model-simpler",)),
        (edited("reports/alternatives.json", r'"linear": \{"est.*true|"linear": \{"est.*false\}', '"linear": null'), ("model-simpler",)),
        (edited("reports/alternatives.json", r'"older": \[.*\]', '"older": []'), ("model-staleness",)),
        (edited("reports/alternatives.json", '"value": -0.03', '"value": null'), ("model-staleness",)),
        (edited("params.yaml", r"^      ranges: \{ learning_rate.*\n"), ("model-tuning",)),
        (without("reports/serving.json"), ("monitor-skew",)),
        (edited("params.yaml", "keep: 400 days", "keep: null"), ("data-privacy",)),
        (edited("params.yaml", "age: 60 days", "age: null"), ("monitor-staleness",)),
    ],
)
def test_what_is_taken_away_takes_its_points_along(fresh: Path, take_away: Callable[[], None], lost: tuple[str, ...]) -> None:
    """Those, and no others."""
    before = named(checklist(TODAY))
    take_away()
    after = named(checklist(TODAY))
    assert {name for name in before if after[name].points < before[name].points} == set(lost)


def test_a_workflow_that_nothing_starts_shows_nothing(fresh: Path) -> None:
    """Called by pull-request.yml and retrain.yml, it runs by itself; without them only when somebody asks."""
    for name in ("pull-request.yml", "retrain.yml"):
        Path(WORKFLOWS, name).unlink()
    lines = named(checklist(TODAY))
    assert lines["data-lead-time"].points == 0
    assert lines["data-lead-time"].shown == "nothing starts train.yml by itself"


def test_more_is_shown_once_it_is_set(fresh: Path) -> None:
    edited("params.yaml", r"^    # (- estimator: sklearn.linear_model.*)\n    # (  ranges: .*)", r"    \1\n    \2")()
    edited(".github/rulesets/main.json", r'"rules": \[', '"rules": [{"type": "pull_request", "parameters": {"required_approving_review_count": 2}},')()
    edited("reports/alternatives.json", "sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.linear_model.Ridge")()
    edited("reports/alternatives.json", r'"linear": \{"est.*false\}', '"linear": null')()
    lines = named(checklist(TODAY))
    assert lines["model-tuning"].shown == "train.yml searches C, learning_rate"
    assert lines["model-review"].shown == ".github/rulesets/main.json asks for 2 approvals"
    assert "the model is a linear one" in lines["model-simpler"].shown
    assert points_of(list(lines.values()))["model"] == 6


def test_a_model_that_cannot_be_converted_serves_as_it_was_trained(fresh: Path) -> None:
    Path("reports/serving.json").write_text(json.dumps({"runtime": "sklearn", "parity": None}), encoding="utf-8")
    line = named(checklist(date.today()))["monitor-skew"]
    assert line.points == 1 and "unconverted" in line.shown


def test_what_is_shown_is_said_with_its_figures(fresh: Path) -> None:
    lines = named(checklist(TODAY))
    assert "roc_auc by age: 28 days -0.0300 [-0.0800, +0.0200]" in lines["model-staleness"].shown
    assert "a linear model beside it (roc_auc +0.0100 [-0.0200, +0.0400])" in lines["model-simpler"].shown
    assert lines["model-inclusion"].shown == "evaluate.yml stops a model that is worse for one group by origin than for all, by 0.05"


def test_the_image_stays_where_answers_cannot_be_read(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A comparison does not fail for that."""
    Path("checklist.yaml").write_text("a: [", encoding="utf-8")
    renew_badge()
    assert capsys.readouterr().out.startswith("reports/ml-test-score.svg stays as it is: checklist.yaml cannot be read")
    Path("checklist.yaml").unlink()
    renew_badge()
    assert Path("reports/ml-test-score.svg").read_text(encoding="utf-8") == badge(5)


def test_an_answer_counts_half_until_it_is_old(fresh: Path) -> None:
    edited("params.yaml", r"groups: \[origin\]", "groups: []")()
    answer = "model-inclusion: {{ how: slices by age, by: Ada, on: {} }}\nmodel-slices: {{ how: x, by: Ada, on: 2026-11-01 }}\n"
    Path("checklist.yaml").write_text(answer.format("2026-06-03"), encoding="utf-8")
    lines = named(checklist(TODAY))
    assert (lines["model-inclusion"].points, lines["model-inclusion"].shown) == (0.5, "Ada on 2026-06-03: slices by age")
    assert lines["model-slices"].points == 1, "what is shown counts more than what is said"
    Path("checklist.yaml").write_text(answer.format("2026-06-02"), encoding="utf-8")
    line = named(checklist(TODAY))["model-inclusion"]
    assert line.points == 0 and "look again" in line.shown


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("model-fun: {}", "model-fun is no criterion"),
        ("model-inclusion: { by: Ada }", "each answer has `how`, `by` and `on`"),
        ("model-inclusion: { how: x, by: Ada, on: soon }", "each answer has"),
        ("- a", "is no criterion"),
        ("a: [", "cannot be read"),
        ("3", "cannot be read"),
    ],
)
def test_an_answer_that_is_none_is_said(fresh: Path, content: str, said: str) -> None:
    Path("checklist.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(ProjectError, match=said):
        checklist(TODAY)


def test_a_workflow_that_cannot_be_read_is_said(fresh: Path) -> None:
    Path(WORKFLOWS, "train.yml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ProjectError, match="train.yml is not valid YAML"):
        checklist(TODAY)
