"""What is misspelt in the settings is told before anything is trained, with what may have been meant."""

import re
from pathlib import Path

import pytest
from mlops_template.champion import stages
from mlops_template.champion.status import status
from mlops_template.champion.preflight import refuse_unknown_names
from mlops_template.commands import ready
from mlops_template.data.contract import load_contract
from mlops_template.errors import ProjectError
from mlops_template.integrations import dvc
from mlops_template.integrations.git import git
from mlops_template.settings import paths
from mlops_template.settings.params import BUILT_IN_METRICS, Params, load_params, meant
from mlops_template.training.metrics import CLASSIFICATION, REGRESSION

from .project import template_module, write_package

OWN = """
from mlops_template.training.metrics import OwnMetric
METRICS = [OwnMetric(f"{'co'}st", lambda scored: scored.truth, higher_is_better=False, kinds=["binary"])]
"""


def changed(**sections: dict[str, object]) -> Params:
    """The parameters of the project with other settings in some sections."""
    params = load_params()
    parts = {name: getattr(params, name).model_copy(update=settings) for name, settings in sections.items()}
    return params.model_copy(update=parts)


def test_the_names_of_the_metrics_are_those_that_are_computed() -> None:
    assert {task: set(names) for task, names in BUILT_IN_METRICS.items()} == {
        "classification": set(CLASSIFICATION),
        "regression": set(REGRESSION),
    }


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"gates": {"primary": "rocauc"}}, "gates.primary in params.yaml names rocauc, which is no metric; did you mean roc_auc?"),
        ({"gates": {"limits": {"log_los": 1.0}}}, "gates.limits in params.yaml names log_los, which is no metric; did you mean log_loss?"),
        ({"model": {"threshold": "f11"}}, "model.threshold in params.yaml names f11, which is no metric; did you mean f1?"),
        ({"gates": {"primary": "mae"}}, "gates.primary in params.yaml names mae, which is no metric; there are"),
        ({"evaluate": {"slices": ["orign"]}}, "has; did you mean origin?"),
    ],
)
def test_a_misspelt_name_is_refused(project: Path, sections: dict[str, dict[str, object]], said: str) -> None:
    with pytest.raises(ProjectError, match=re.escape(said)):
        refuse_unknown_names(changed(**sections))


def test_what_the_owner_derives_or_measures_is_known(project: Path) -> None:
    refuse_unknown_names(load_params())
    package = write_package(project, metrics=OWN, features='def add_features(rows):\n    return rows.assign(hour=1)\n')
    refuse_unknown_names(changed(gates={"primary": "cost"}))
    for derives in ("return rows.assign(hour=1)", 'rows["hour"] = 1; return rows', "rows.hour = 1; return rows"):
        (package / "features.py").write_text(f"def add_features(rows):\n    {derives}\n")
        refuse_unknown_names(changed(evaluate={"slices": ["hour"]}))
        with pytest.raises(ProjectError, match="names our, which neither"):
            refuse_unknown_names(changed(evaluate={"slices": ["our"]}))
    (package / "features.py").write_text('def add_features(rows):\n    return rows.assign(**{f"h{1}": 1})\n')
    refuse_unknown_names(changed(evaluate={"slices": ["h1"]}))


def test_the_project_as_it_is_generated_names_nothing_unknown(project: Path) -> None:
    write_package(project, features=template_module("features"), metrics=template_module("metrics"))
    refuse_unknown_names(changed(evaluate={"slices": ["part_of_day"]}))


def test_no_stage_runs_before_it_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("init", "--quiet")
    git("add", "--all")
    git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message", "start")
    monkeypatch.setattr(dvc, "repro", lambda: pytest.fail("a stage ran"))
    text = paths.PARAMS.read_text(encoding="utf-8")
    paths.PARAMS.write_text(text.replace("primary: roc_auc", "primary: rocauc"), encoding="utf-8")
    for command in (stages.train, ready.check):
        with pytest.raises(ProjectError, match="did you mean roc_auc"):
            command()
    monkeypatch.setattr(dvc, "status", lambda: dvc.OutOfDate([], files_only=False))
    assert "settings     gates.primary in params.yaml names rocauc, which is no metric" in status()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("  primary:", "  primry:", "gates.primry: there is no such setting; did you mean primary?"),
        ("gates:\n", "gats: {}\ngates:\n", "gats: there is no such setting; did you mean gates?"),
    ],
)
def test_a_misspelt_setting_is_named_with_its_neighbour(project: Path, before: str, after: str, said: str) -> None:
    text = paths.PARAMS.read_text(encoding="utf-8")
    assert before in text
    paths.PARAMS.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ProjectError, match=re.escape(said)):
        load_params()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{ type: integer, min: 250, max: 0 }", "no value is at least 250 and at most 0: are min and max swapped?"),
        ("{ type: string, allowed: [] }", "allowed is empty, so that no value is"),
    ],
)
def test_a_rule_that_no_row_can_meet_is_refused(project: Path, rule: str, said: str) -> None:
    paths.CONTRACT.write_text(f"columns:\n  distance: {rule}\n", encoding="utf-8")
    with pytest.raises(ProjectError, match=re.escape(said)):
        load_contract()


def test_a_misspelt_rule_is_named_with_its_neighbour(project: Path) -> None:
    paths.CONTRACT.write_text("columns:\n  distance: { type: integer, nulable: true }\n", encoding="utf-8")
    with pytest.raises(ProjectError, match=r"columns\.distance\.nulable: there is no such setting; did you mean nullable\?"):
        load_contract()
    paths.CONTRACT.write_text("colums: {}\ncolumns: {}\n", encoding="utf-8")
    with pytest.raises(ProjectError, match=r"colums: there is no such setting; did you mean columns\?"):
        load_contract()


def test_of_many_names_only_the_first_are_told() -> None:
    assert meant("zzz", [f"a{number:02}" for number in range(15)]).endswith("a10, a11 and 3 more")
