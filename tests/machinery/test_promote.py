"""`promote` moves the pointer when the verdict allows it, and otherwise nothing at all."""

import json
import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo
from mlops_template.integrations.digests import directory_digest
from mlops_template.champion import promote as promotion
from mlops_template.champion.promote import promote
from mlops_template.errors import ProjectError
from mlops_template.evaluation.comparison import Comparison, load_comparison, save_comparison
from mlops_template.settings.params import load_params
from ruamel.yaml import YAML

CHALLENGER, CHAMPION, POINTER = Path("models/challenger"), Path("models/champion"), Path("models/champion.dvc")


@pytest.fixture(autouse=True)
def challenger(project: Path) -> None:
    """A project whose pipeline has made a challenger, which was not compared yet."""
    (project / "pyproject.toml").write_text(
        '[project]\nname = "flights"\ndescription = "Late?"\nauthors = [{ name = "Ada", email = "a@b.c" }]\n'
    )
    (project / "reports").mkdir()
    (project / "reports" / "metrics.json").write_text(
        json.dumps({"rows": 9, "window": {"first": None, "last": None}, "model": {}, "baseline": {}})
    )
    (project / "reports" / "slices.json").write_text("{}")
    Repo.init(str(project), no_scm=True)
    train("first")


def train(content: str) -> str:
    """Put a challenger there, as `train` and DVC would. Returns its digest."""
    CHALLENGER.mkdir(parents=True, exist_ok=True)
    card = {
        "task": "classification",
        "target": "late",
        "features": {"numeric": ["distance"], "categorical": [], "dates": []},
        "training": {"rows": 5, "first": None, "last": None},
        "estimator": "sklearn.dummy.DummyClassifier",
        "params": {},
        "search": [
            {"estimator": "a.Tree", "params": {"max_iter": 5}, "scores": [-0.7], "mean": -0.7, "chosen": False},
            {"estimator": "a.Linear", "params": {}, "scores": [-0.6], "mean": -0.6, "chosen": True},
        ],
        "versions": {"python": "3"},
        "positive": 1,
        "threshold": 0.25,
        "derived": ["hour"],
    }
    (CHALLENGER / "card.json").write_text(json.dumps(card))
    (CHALLENGER / "model.joblib").write_text(content)
    digest = directory_digest(CHALLENGER)
    size = sum(file.stat().st_size for file in CHALLENGER.iterdir())
    out = {"path": CHALLENGER.as_posix(), "hash": "md5", "md5": digest, "size": size, "nfiles": 2}
    YAML().dump({"schema": "2.0", "stages": {"train": {"cmd": "train", "outs": [out]}}}, Path("dvc.lock"))
    return digest


def compared(digest: str, verdict: str = "promote", champion: str | None = None) -> None:
    """Leave the record of a comparison."""
    window = {"first": None, "last": None}
    save_comparison(
        Comparison(
            verdict=verdict,  # type: ignore[arg-type]
            reasons=["roc_auc -0.02: worse than the champion"],
            challenger=digest,
            champion=champion,
            rows=9,
            window=window,
            metrics={},
            gates=[],
            slices=[],
            inputs="",
        )
    )


def files() -> dict[str, bytes]:
    """What is in the project, apart from DVC's own."""
    return {str(p): p.read_bytes() for p in Path().rglob("*") if p.is_file() and p.parts[0] != ".dvc"}


def test_the_champion_is_the_challenger_and_the_pointer_says_so_as_dvc_would() -> None:
    digest = train("first")
    compared(digest)

    done = promote(load_params())

    assert (done.champion, done.previous, done.changed) == (digest, None, True)
    assert (CHAMPION / "model.joblib").read_text() == "first"
    pointer = YAML(typ="safe").load(POINTER)
    assert pointer["outs"][0]["md5"] == digest
    with Repo() as repo:
        repo.add(CHAMPION.as_posix())
        assert YAML(typ="safe").load(POINTER) == pointer
        assert repo.status(targets=[POINTER.as_posix()]) == {}
    card = Path("reports/model_card.md").read_text()
    assert digest in card
    assert "`1 above a probability of 0.25`" in card and "derived by features.py: `hour`" in card
    assert "`Linear` |  | -0.6000 | chosen |" in card and "`Tree` | max_iter = 5 | -0.7000 |" in card


def test_the_next_challenger_replaces_the_champion() -> None:
    first = train("first")
    compared(first)
    promote(load_params())
    second = train("second")
    compared(second, champion=first)

    done = promote(load_params())

    assert (done.champion, done.previous) == (second, first)
    assert (CHAMPION / "model.joblib").read_text() == "second"


def test_what_is_champion_already_changes_nothing_whatever_the_record_speaks_of() -> None:
    compared(train("first"))
    promote(load_params())
    compared("0123456789abcdef.dir")
    before = files()

    done = promote(load_params())

    assert not done.changed and "already" in str(done)
    assert files() == before


def test_a_challenger_that_was_not_compared_is_refused() -> None:
    with pytest.raises(ProjectError, match="flights compare"):
        promote(load_params())

    compared("0123456789abcdef.dir")
    with pytest.raises(ProjectError, match=r"01234567.*flights compare"):
        promote(load_params(), force=True, why="no comparison, no force")
    assert not POINTER.exists()


@pytest.mark.parametrize("verdict", ["keep", "fail"])
def test_the_verdict_is_obeyed(verdict: str) -> None:
    compared(train("first"), verdict)
    before = files()

    with pytest.raises(ProjectError, match=f"{verdict}.*worse than the champion.*--force --why"):
        promote(load_params())
    assert files() == before


def test_force_needs_a_reason_and_writes_it_into_the_record_and_the_card() -> None:
    compared(train("first"), "keep")
    for why in (None, "", "  "):
        with pytest.raises(ProjectError, match="--why"):
            promote(load_params(), force=True, why=why)
    with pytest.raises(ProjectError, match="--why gives the reason"):
        promote(load_params(), why="without force")

    promote(load_params(), force=True, why="the old one is broken")

    record = load_comparison()
    assert record and record.forced == {"why": "the old one is broken"} and record.verdict == "keep"
    assert "the old one is broken" in Path("reports/model_card.md").read_text()


def test_force_where_the_verdict_allows_it_is_not_recorded_as_forced() -> None:
    compared(train("first"))
    promote(load_params(), force=True, why="to be sure")
    record = load_comparison()
    assert record and record.forced is None


def test_files_that_the_pipeline_did_not_make_are_refused() -> None:
    first = train("first")
    compared(first)
    promote(load_params())
    second = train("second")
    compared(second, champion=first)
    (CHALLENGER / "model.joblib").write_text("edited by hand")

    with pytest.raises(ProjectError, match="dvc checkout"):
        promote(load_params())
    assert (CHAMPION / "model.joblib").read_text() == "first"
    assert first in POINTER.read_text()


@pytest.mark.parametrize("step", ["copytree", "rename", "replace"])
def test_after_a_crash_the_pointer_is_the_old_one_and_a_second_attempt_succeeds(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train("first")
    compared(first)
    promote(load_params())
    second = train("second")
    compared(second, champion=first)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(shutil if step == "copytree" else Path, step, crash)
        with pytest.raises(KeyboardInterrupt):
            promote(load_params())
    assert first in POINTER.read_text()

    promote(load_params())
    assert second in POINTER.read_text()
    assert (CHAMPION / "model.joblib").read_text() == "second"
    assert not list(promotion.SCRATCH.glob("champion.*"))
