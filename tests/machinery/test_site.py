"""The site tells the project's whole life, and what was exported of production comes back as it was."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlops_template.errors import ProjectError
from mlops_template.integrations import dvc, gh
from mlops_template.integrations.git import git
from mlops_template.integrations.issues import mark
from mlops_template.integrations.revisions import Champion, champions
from mlops_template.monitor.act import act_on_export
from mlops_template.monitor.exported import export, imported
from mlops_template.monitor.monitoring import Drifted, Monitoring, Problem, Value, Window
from mlops_template.monitor.traffic import ServiceLevel
from mlops_template.settings import paths
from mlops_template.settings.params import Gates, Params
from mlops_template.site import life, pages
from mlops_template.site.site import site as write_site
from mlops_template.storage import branch

from .conftest import ADA, CONFIG

PARAMS = Params.model_construct(gates=Gates(primary="roc_auc"))
DAY = datetime(2026, 5, 1, tzinfo=UTC)


class Hub:
    """A GitHub with two issues."""

    def get(self, path: str) -> Any:
        assert path.startswith("/issues?state=all&labels=alert")
        refused = {"title": "Fresh data cannot be taken in", "closed_at": "2099-11-29T07:00:00Z"}
        failed = {"title": "A deployment failed", "closed_at": None}
        return [
            one | {"body": mark(key), "html_url": f"https://github.test/{key}", "created_at": "2099-11-28T07:00:00Z"}
            for key, one in (("deploy", failed), ("feed", refused))
        ]


def site(monitoring: Monitoring | None = None) -> dict[str, str]:
    """The pages by name."""
    return dict(pages.pages(life.gather(PARAMS, monitoring)))


def found(champion: Champion) -> Monitoring:
    """Production of two windows with a problem in it."""
    service = ServiceLevel(1000, 3, 1, 0.025, [("price", 3)])
    value = Value(0.7, 0.6, 0.8)
    windows = [
        Window(DAY, DAY.replace(day=8), 100, known, value if known else None, value, service)
        for known in (90, 0)
    ]
    drifted = [Drifted("price", 0.5, 0.3, 0.1, 0.0, 0.0, [0.1, None])]
    problems = [Problem(DAY, ["the loss"], None, of_performance=True)]
    return Monitoring(champion, "roc_auc", value, 90, 30, windows, drifted, problems, ["a note"])


def test_every_champion_has_a_page_and_one_that_returned_is_told_as_such(promoted: list[Champion]) -> None:
    git(*ADA, "revert", "--no-edit", "HEAD")
    made = site()
    assert list(made) == ["index.html", "models/1.html", "models/2.html", "models/3.html"]
    assert "champion 1 again" in made["index.html"]
    assert "champion 1 again" in made["models/3.html"]
    assert "The card of 2" in made["models/2.html"]
    assert "by hand" in made["index.html"], "no comparison is recorded"
    assert made["index.html"].count('class="worse') == 2, "a dot and its whisker"


def test_what_is_wrong_comes_first_with_what_to_do(
    promoted: list[Champion], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gh, "at_origin", Hub)
    made = site(found(promoted[-1]))
    index = made["index.html"]
    assert list(made)[1] == "production.html"
    assert "and 1 problem in production</h1>" in index and 'class="fail"' in index
    wrong, _, after = index.partition("Through time")
    assert "2026-05-01: the loss changed" in wrong and "The predictions have become worse" in wrong
    assert 'href="https://github.test/deploy">A deployment failed</a>' in wrong
    assert "Fresh data cannot be taken in" not in wrong, "it is over"
    assert "2099-11-28: a batch was refused" in after and "Fresh data cannot be taken in" in after
    assert "Nothing" not in wrong


def test_what_cannot_be_known_is_said(promoted: list[Champion]) -> None:
    index = site()["index.html"]
    assert "Nothing that is known here." in index
    assert "no log of predictions was named" in index
    assert "GitHub cannot be asked: origin is not on GitHub" in index


def test_the_last_backtest_is_a_page_of_it(promoted: list[Champion]) -> None:
    paths.BACKTEST_PAGE.write_text("<h1>weekly</h1>")
    made = site()
    assert made["backtest.html"] == "<h1>weekly</h1>"
    assert 'href="backtest.html"' in made["index.html"] and 'href="../backtest.html"' in made["models/1.html"]


def test_somebodys_words_stay_text(promoted: list[Champion]) -> None:
    attack = "<script>alert(1)</script>"
    paths.MODEL_CARD.write_text(f"# {attack}\n\n| a |\n|---|\n| [x](javascript:alert(1)) {attack} |\n")
    (paths.CHAMPION / "model").write_text("model 3")
    dvc.add(paths.CHAMPION)
    git("add", "--all")
    git(*ADA, "commit", "--quiet", "--message", attack)
    for content in site().values():
        assert "<script" not in content
        assert not re.search('href="javascript', content)


def test_without_a_champion_the_way_is_named(first: Path) -> None:
    with pytest.raises(ProjectError, match="`promote` makes one"):
        site()


@pytest.mark.parametrize("bucket", [False, True], ids=["branch", "bucket"])
def test_an_export_comes_back_as_it_was_and_takes_the_place_of_the_last(
    promoted: list[Champion], bucket: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bucket:
        Path(".dvc/config").write_text(CONFIG.replace("../.storage", (tmp_path / "bucket").as_posix()))
    with pytest.raises(ProjectError, match="`monitor --log … --export`"):
        imported()
    export(found(promoted[0]), DAY)
    assert "champion 2 has come since" in imported().superseded()
    monkeypatch.setattr("mlops_template.site.site.load_params", lambda: PARAMS)
    written = write_site(tmp_path / "site", "", exported=True)
    assert "Production is not shown: the export of" in written and "`monitor --export` again" in written
    (said,) = act_on_export(PARAMS, DAY)
    assert said.startswith("nothing is judged: the export of")
    told = export(found(promoted[-1]), DAY)
    assert ("/bucket/monitoring.json" if bucket else "the branch monitoring") in told
    exported = imported()
    assert exported.superseded() == ""
    assert exported.monitoring == found(champions()[-1])
    assert exported.late(DAY.replace(day=3)) == ""
    assert "4 days ago" in exported.late(DAY.replace(day=5))
    assert bucket is not bool(git("ls-remote", "origin", "refs/heads/monitoring"))
    assert git("rev-parse", "HEAD") == promoted[-1].commit and branch.BRANCH != "monitoring"
