"""The opponent is the champion of a revision, and what is kept of it is found whatever came after it."""

from pathlib import Path

import pytest
from mlops_template.champion import lineage
from mlops_template.errors import ProjectError
from mlops_template.integrations.revisions import Champion
from mlops_template.champion.opponent import (
    challenger_digest,
    champion_digest,
    model_directory,
    compare_with_champion,
    evaluation,
)
from mlops_template.evaluation.comparison import Evaluation
from mlops_template.integrations import dvc
from mlops_template.integrations.git import git
from mlops_template.settings import paths
from mlops_template.settings.params import Params
from mlops_template.storage import storage

from .conftest import Clone

PIPELINE = """\
stages:
  train:
    cmd: python train.py
    deps: [recipe]
    outs: [models/challenger, reports/predictions.parquet]
"""
TRAIN = """\
from pathlib import Path

Path("models/challenger").mkdir()
for output in ("models/challenger/model", "reports/predictions.parquet"):
    Path(output).write_bytes(Path("recipe").read_bytes())
"""


def trained(recipe: str) -> str:
    """Run the pipeline, commit what came out, and give the digest of the model."""
    paths.CHALLENGER.parent.mkdir(exist_ok=True)
    paths.REPORTS.mkdir(exist_ok=True)
    Path("dvc.yaml").write_text(PIPELINE)
    Path("train.py").write_text(TRAIN)
    Path("recipe").write_text(recipe)
    Path("models/.gitignore").write_text("/challenger\n/champion\n")
    Path("reports/.gitignore").write_text("/predictions.parquet\n")
    dvc.repro()
    paths.METRICS.write_text(f'{{"model": {{"of": "{recipe}"}}}}')
    commit(recipe)
    return challenger_digest()


def commit(message: str) -> None:
    """Commit everything."""
    git("add", "--all")
    git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message", message)


@pytest.fixture
def champion(first: Path) -> str:
    """A champion, after which another model was trained that did not replace it, and more happened."""
    digest = trained("the champion")
    paths.CHAMPION_POINTER.write_text(f"outs:\n- md5: {digest}\n  hash: md5\n  path: champion\n")
    commit("Promote it")
    storage.push()
    trained("another")
    Path("notes").write_text("…")
    commit("Write something down")
    storage.push()
    git("push", "--quiet", "--no-verify", "origin", "main")
    return digest


def kept_of(found: Evaluation) -> tuple[str, dict[str, str]]:
    """Whose predictions and whose metrics they are."""
    assert found.predictions and found.metrics
    return found.predictions.read_text(), found.metrics["model"]


def test_the_champions_evaluation_is_that_of_the_commit_that_made_it(champion: str) -> None:
    assert champion_digest("HEAD") == champion != challenger_digest()
    assert kept_of(evaluation(champion, "HEAD")) == ("the champion", {"of": "the champion"})


@pytest.mark.parametrize("options", [(), ("--depth=1",)])
def test_another_clone_fetches_it_also_from_before_where_its_history_ends(
    options: tuple[str, ...], champion: str, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone("second", *options))
    assert kept_of(evaluation(champion, "HEAD")) == ("the champion", {"of": "the champion"})


def test_what_nobody_has_is_unknown(champion: str, origin: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    assert evaluation("0123456789abcdef.dir", "HEAD") == evaluation(None, "HEAD") == Evaluation()
    monkeypatch.chdir(clone("second", "--depth=1"))
    origin.rename(origin.with_name("gone"))
    assert evaluation(champion, "HEAD") == Evaluation()


def test_predictions_that_are_not_in_the_storage_leave_the_metrics(
    champion: str, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("push", "--quiet", "--no-verify", "--delete", "origin", "dvc-storage")
    monkeypatch.chdir(clone("second"))
    assert evaluation(champion, "HEAD") == Evaluation(None, {"model": {"of": "the champion"}})


def test_another_model_that_lies_in_its_place_is_not_taken_for_it(champion: str) -> None:
    """As after a `git checkout` that nobody followed by a `pull`."""
    paths.CHAMPION.mkdir()
    (paths.CHAMPION / "model").write_bytes(b"another")
    with model_directory(champion, "HEAD") as directory:
        assert (directory / "model").read_bytes() == b"the champion"
    (paths.CHAMPION / "model").write_bytes(b"the champion")
    with model_directory(champion, "HEAD") as directory:
        assert directory == paths.CHAMPION


def test_a_model_of_the_same_bytes_is_unchanged_and_leaves_the_record_alone(champion: str) -> None:
    """The recipe of the champion again, on top of the other model: it needs neither models nor rows to tell."""
    trained("the champion")
    paths.COMPARISON.write_text("the record of its promotion")
    assert compare_with_champion(Params.model_construct(), "HEAD") is None
    assert paths.COMPARISON.read_text() == "the record of its promotion"


@pytest.mark.parametrize(
    ("version", "number", "before"),
    [("champion", 3, 2), ("previous", 2, 1), ("1", 1, None), ("2", 2, 1), ("aaaa", 1, None), ("cccc", 3, 2)],
)
def test_a_version_names_one_champion_and_the_one_before_it(
    version: str, number: int, before: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [Champion(place, letter * 32, None) for place, letter in enumerate("abc", start=1)]
    monkeypatch.setattr(lineage, "champions", lambda *_: known)
    found, earlier = lineage.find_champion(version)
    assert (found.number, earlier.number if earlier else None) == (number, before)


def test_the_first_champion_has_no_previous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "champions", lambda *_: [Champion(1, "a" * 32, None)])
    monkeypatch.setattr(lineage.git, "git_or_none", lambda *_: None)
    with pytest.raises(ProjectError, match="no champion is known as previous"):
        lineage.find_champion("previous")
