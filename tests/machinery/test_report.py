"""The report says the verdict first and fits on a screen, whatever the model is about and whatever names it meets."""

import json
import re
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mlops_template.data.drift import drift
from mlops_template.evaluation.compare import compare
from mlops_template.evaluation.export import Export, MeasuredParity
from mlops_template.evaluation.comparison import Difference
from mlops_template.evaluation.matchup import prepare_matchup
from mlops_template.evaluation.comparison import ChampionSource
from mlops_template.render import markdown
from mlops_template.report import failure, summary
from mlops_template.report.changes import Change, DataChange, DataSummary, Stage
from mlops_template.integrations.git import git
from mlops_template.report.facts import Facts, earlier_commit, reported_commit
from mlops_template.report.mermaid import chart
from mlops_template.report.page import page
from mlops_template.report.tables import Code, Table, with_sign
from mlops_template.report.metric_table import metric_table
from mlops_template.settings import paths
from mlops_template.training import train

from .test_model import SETTINGS, prepare, table

HOSTILE = [
    "a|b",
    "`tick` and ``two``",
    "</details><script>alert(1)</script>",
    "@octocat #1 GH-2",
    "line\nbreak\r\n\r\n# heading",
    "\\| \\",
    "$x$ *bold* _under_ ~~gone~~ [link](http://example.com) ![](http://example.com)",
    '"]\nx-axis [1] %% --> ```',
    "- [ ] task",
    "%%{init: {}}%%",
    "\u202eright to left",
    "",
]


def rendered(text: str) -> list[Token]:
    """The report as GitHub reads it: tables are an extension of CommonMark."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def told(
    folder: Path, settings: dict[str, Any] | None = None, rows: pd.DataFrame | None = None, champion: bool = True
) -> Facts:
    """The facts about a challenger that met an earlier model, or the baseline."""
    settings = {**SETTINGS, **(settings or {})}
    directory = None
    if champion:
        prepare(folder / "before", settings, rows)
        with chdir(folder / "before"):
            train.main()
        directory = folder / "before" / paths.CHALLENGER
    candidate = {**settings["model"]["candidates"][0], "params": {"max_iter": 5}}
    params = prepare(folder / "now", {**settings, "model": {**settings["model"], "candidates": [candidate]}}, rows)
    with chdir(folder / "now"):
        train.main()
        comparison = compare(params, "challenger.dir", "champion.dir" if champion else None, directory)
        scored = prepare_matchup(params, directory).predictions()
    return Facts(
        project="shop",
        params=params,
        base="main",
        challenger="challenger.dir",
        champion="champion.dir" if champion else None,
        comparison=comparison,
        scored=scored,
        parameters=[Change("model.seed", "0", "1")],
        libraries=[],
        data=None,
        stages=[Stage("split", False, 0.0, []), Stage("train", True, 2.4, ["params.yaml: model"])],
        code="",
    )


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """A classification with slices, time and a champion."""
    return told(tmp_path_factory.mktemp("shop"))


def sound(text: str) -> list[Token]:
    """The tokens of a report whose folds are all closed and whose tables all have their columns."""
    tokens = rendered(text)
    html = "".join(token.content for token in tokens if token.type == "html_block")
    assert html.count("<details>") == html.count("</details>") == text.count("<details>")
    assert not [child for token in tokens for child in token.children or [] if child.type == "html_inline"]
    for number, token in enumerate(tokens):
        if token.type == "tr_open":
            cells = [cell for cell in tokens[number : closing(tokens, number)] if cell.type in ("td_open", "th_open")]
            assert len(cells) >= 2
    assert len(text.encode()) <= 65_000
    return tokens


def test_the_candidates_are_listed_the_best_first_in_the_metrics_own_direction(facts: Facts) -> None:
    """The scores of a search count more as better; whoever reads them knows the metric."""
    search = [
        {"estimator": "a.Tree", "params": {"max_iter": 5}, "scores": [-0.7], "mean": -0.7, "chosen": False},
        {"estimator": "a.Linear", "params": {}, "scores": [-0.6], "mean": -0.6, "chosen": True},
        {"estimator": "a.Broken", "params": {}, "scores": [None], "mean": None, "chosen": False},
    ]
    gates = facts.params.gates.model_copy(update={"primary": "log_loss"})
    searched = replace(facts, search=search, params=facts.params.model_copy(update={"gates": gates}))
    assert [row[:3] for row in searched.candidates().rows] == [
        ["Linear", "", "0.6000"],
        ["Tree", "max_iter = 5", "0.7000"],
        ["Broken", "", "–"],
    ]
    assert "3 candidates, by cross-validation" in summary.markdown(searched)
    assert "Candidates, by cross-validation" in page(searched)
    assert "candidates, by cross-validation" not in summary.markdown(facts)


def test_a_champion_from_before_the_base_is_named(facts: Facts) -> None:
    """Else the metrics seem to be those of the change that is told."""
    text = summary.markdown(replace(facts, champion_commit="0123456789abcdef"))
    assert "held against the champion of `0123456`, trained before that" in text
    assert "trained before that" not in summary.markdown(facts)


def test_the_commit_of_the_champion_is_known_where_the_base_went_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet", "--initial-branch=main")
    commits = []
    for model in ("first.dir", "second.dir"):
        out = {"path": paths.CHALLENGER.as_posix(), "md5": model}
        paths.LOCK.write_text(json.dumps({"stages": {"train": {"outs": [out]}}}))
        git("add", "--all")
        git("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "--message=x")
        commits.append(git("rev-parse", "HEAD"))
    assert earlier_commit("first.dir", "main") == commits[0]
    assert earlier_commit("second.dir", "main") is None
    assert earlier_commit("first.dir", commits[0]) is None
    assert earlier_commit(None, "main") is None
    assert reported_commit("main") == reported_commit("HEAD") == "", "the change is in no commit yet"
    assert reported_commit(commits[0]) == f"{commits[1][:7]} by A"


def test_whose_change_it_is_and_whether_it_was_promoted_is_told(facts: Facts) -> None:
    told = replace(facts, commit="a1b2c3d by Ada | Lovelace", promoted=True)
    assert "- commit a1b2c3d by Ada \\| Lovelace; promoted already: it is champion once" in summary.markdown(told)
    assert "commit a1b2c3d by Ada | Lovelace; promoted already" in page(told)
    assert "promoted already" not in summary.markdown(facts)


def test_a_difference_without_an_interval_is_too_few_to_judge() -> None:
    assert with_sign(Difference(0.1, None, None), "roc_auc") == "+0.1000 too few to judge"
    assert with_sign(Difference(0.1, 0.05, 0.15), "roc_auc") == "+0.1000 [+0.0500, +0.1500] ▲"
    assert with_sign(Difference(None, None, None), "roc_auc") == "–"


def test_the_terminal_marks_what_is_beyond_noise(facts: Facts) -> None:
    assert facts.comparison
    pair = next(iter(facts.comparison.metrics.values()))
    for low, high, higher, sign in ((0.1, 0.2, True, "▲"), (0.1, 0.2, False, "▼"), (-0.1, 0.2, True, "")):
        told = replace(pair, difference=Difference(0.1, low, high), higher_is_better=higher)
        shown = metric_table(replace(facts.comparison, metrics={"cost": told}), facts.params)
        assert [str(cell).partition("[")[0].strip() for cell in shown.columns[-1].cells] == [sign]


def closing(tokens: list[Token], number: int) -> int:
    """Where the row that opens at that place ends."""
    return next(place for place in range(number, len(tokens)) if tokens[place].type == "tr_close")


def test_the_verdict_comes_first_then_why_then_the_metrics_with_their_intervals(facts: Facts) -> None:
    text = summary.markdown(facts)
    assert facts.comparison
    lines = text.splitlines()
    assert lines[0] == f"## {summary.VERDICTS[facts.comparison.verdict]}"
    assert lines[2].startswith("- roc_auc ")
    primary = next(line for line in lines if line.startswith("| **roc_auc"))
    assert re.search(r"[+-]0\.\d{4} \[[+-]0\.\d{4}, [+-]0\.\d{4}\]", primary)
    assert text.index("roc_auc ↑") < text.index("**What changed**") < text.index("<details>")
    assert "| `model.seed` | `0` | `1` |" in lines
    assert "- stages: train 2.4 s; split cached" in lines
    sound(text)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Export(b"", "", 1e-4, MeasuredParity(24_000, 9, 1, 0.031)), "24,000 rows 9 differ by more than 0.0001, the largest"),
        (Export(None, "it cannot be converted", 1e-4, None), "serving:** the scikit-learn pipeline, because it cannot"),
    ],
    ids=["onnx", "sklearn"],
)
def test_it_says_what_is_to_serve_the_model(found: Export, said: str, facts: Facts) -> None:
    shown = replace(facts, serving=found.facts())
    text = summary.markdown(shown)
    assert said in text
    assert text.index("**serving:**") < text.index("**What changed**")
    assert "serving" not in summary.markdown(replace(facts, serving=None))
    assert "Serving: the scikit-learn" in page(shown) or "Serving: ONNX Runtime; of 24,000 rows 9" in page(shown)
    sound(text)


def test_what_is_not_folded_fits_on_a_screen(facts: Facts) -> None:
    comparison = facts.comparison
    assert comparison
    slices = [replace(one, slice=f"shop = {n}", worse=True) for n, one in enumerate(comparison.slices * 20)]
    busy = replace(
        facts,
        comparison=replace(comparison, slices=slices, reasons=["it is worse"] * 30),
        parameters=[Change(f"setting.{number}", "0", "1") for number in range(50)],
        data=DataChange(DataSummary(5, "2024-01-01", "2024-02-01", 1), DataSummary(9, None, None, 2), ("before", "after"), []),
        code="3 files changed, 8 insertions(+)",
    )
    unfolded = summary.markdown(busy).partition("<details>")[0]
    assert len([line for line in unfolded.splitlines() if line and "---" not in line]) <= 40
    assert "… and 45 more" in unfolded


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_values_stay_text(name: str, facts: Facts) -> None:
    """No column, value, reason or path opens or closes anything in the Markdown."""
    comparison = facts.comparison
    assert comparison
    before, after = pd.Series([1.0, 2.0] * 50, name=name or "x"), pd.Series([name, "other"] * 50, name=name or "x")
    odd = replace(
        facts,
        base=name or "main",
        comparison=replace(
            comparison,
            verdict="keep",
            reasons=[name],
            slices=[replace(one, slice=f"{name} = {name}") for one in comparison.slices],
            gates=[replace(gate, detail=name) for gate in comparison.gates],
            forced={"why": name},
        ),
        parameters=[Change(name, name, None), Change("b", None, name)],
        data=DataChange(None, None, (name, name), [drift(before, before), drift(after.astype("str"), after)]),
        stages=[Stage("train", True, 1.0, [name])],
        code=name,
    )
    text = summary.markdown(odd, accept=name)
    tokens = sound(text)
    children = [child for token in tokens for child in token.children or []]
    assert {child.type for child in children} <= {"text", "softbreak", "code_inline", "strong_open", "strong_close"}
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h2"]
    assert not [child for child in children if child.type == "text" and re.search("@octo|#1|GH-2", child.content)]
    assert "\u202e" not in text
    content = page(odd, accept=name)
    assert "<script" not in content and "</details>" not in content and "<img" not in content


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_read_as_it_is_written(name: str) -> None:
    """But for line breaks and characters without a shape; no matter whether as text, as code or in a table."""
    written = f"x{name}x"
    expected = " ".join(re.sub("[\r\n\u202e]", " ", written).split())
    in_table = "\n".join(markdown.table(Table(["a", "b"], [[Code(written), written]])))
    assert [shown(cell) for cell in inline(markdown.words(written))] == [expected]
    assert [shown(cell) for cell in inline(markdown.code(written, 200))] == [expected]
    assert [shown(cell) for cell in inline(in_table)] == ["a", "b", expected, expected]


def inline(text: str) -> list[Token]:
    """The places that hold text: paragraphs, cells."""
    return [token for token in rendered(text) if token.type == "inline"]


def shown(token: Token) -> str:
    """What a reader sees of it."""
    return "".join(child.content for child in token.children or []).replace("\u2060", "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_chart_keeps_its_lines(name: str) -> None:
    """Each line of a Mermaid chart begins with its own word, whatever the labels are."""
    lines = "\n".join(chart(name, [name, name], name, [("#000000", [0.0, 1.0])])).split("\n")
    starts = [line.split()[0] for line in lines]
    assert starts == ["```mermaid", "%%{init:", "xychart-beta", "title", "x-axis", "y-axis", "line", "```"]
    assert all(line.count('"') % 2 == 0 and "%%" not in line for line in lines[2:])


REGRESSION = {
    "task": "regression",
    "columns": {**SETTINGS["columns"], "target": "price", "numeric": ["bought"]},
    "model": {"threads": 1, "candidates": [{"estimator": "sklearn.ensemble.HistGradientBoostingRegressor"}]},
    "gates": {"primary": "rmse"},
}
TIMELESS = {"columns": {**SETTINGS["columns"], "time": None}}


@pytest.mark.parametrize(
    ("settings", "change", "champion"),
    [
        ({}, {}, False),
        (REGRESSION, {"price": 10.0}, True),
        ({}, {"bought": ["low", "middle", "high"]}, True),
        (TIMELESS, {}, True),
        ({"evaluate": {"slices": [], "n_bootstrap": 100}}, {}, True),
    ],
    ids=["baseline", "regression", "multiclass", "no time", "no slices"],
)
def test_every_kind_of_model_is_told(settings: dict, change: dict, champion: bool, tmp_path: Path) -> None:
    rows = table()
    if "price" in change:
        rows["price"] = rows["price"].fillna(change["price"])
    if "bought" in change:
        rows["bought"] = [change["bought"][(value + number % 2) % 3] for number, value in enumerate(rows["bought"])]
    facts = told(tmp_path, settings, rows, champion)
    assert facts.comparison and facts.scored
    text = summary.markdown(facts)
    sound(text)
    assert ("| champion |" in text) == champion
    header, rule, first, *_ = [line for line in text.splitlines() if line.startswith("|")]
    assert (header[:10], rule[:5], first[:4]) == ("| metric |", "| ---", "| **")
    drawn = "<summary>Errors</summary>\n\n```mermaid" in text
    assert drawn == (facts.params.task == "regression")
    content = page(facts)
    figures = content.count("<figure>")
    assert figures == {"regression": 4, "multiclass": 2}.get(facts.scored[0].kind, 5)
    for name, pair in facts.comparison.metrics.items():
        assert name in text and name in content
        assert str(pair.difference) in text and str(pair.difference) in content


def test_what_is_undefined_is_a_dash(facts: Facts) -> None:
    """Rows of one class have no ROC curve, and nothing but the record of it."""
    comparison, scored = facts.comparison, facts.scored
    assert comparison and scored
    nothing = replace(comparison.slices[0].difference, value=None, low=None, high=None)
    metrics = {
        name: replace(pair, champion=None, challenger=None, difference=nothing)
        for name, pair in comparison.metrics.items()
    }
    slices = [replace(one, champion=None, difference=nothing) for one in comparison.slices]
    unknown = replace(comparison, metrics=metrics, slices=slices, cost=None, champion_cost=None)
    one_class = tuple(replace(side, truth=np.zeros_like(side.truth)) for side in scored)
    odd = replace(facts, comparison=unknown, scored=one_class)  # type: ignore[arg-type]
    assert "| **roc_auc ↑** | – | – | – |" in summary.markdown(odd)
    assert page(odd).count("<figure>") == 2
    sound(summary.markdown(odd))


def test_too_few_rows_to_compare_are_told_without_figures(facts: Facts) -> None:
    assert facts.comparison
    reasons = ["7 held-out rows that neither has seen, 20 are needed"]
    few = replace(facts.comparison, verdict="keep", reasons=reasons, rows=7, metrics={}, slices=[])
    text = summary.markdown(replace(facts, comparison=few, scored=None))
    assert "- 7 held-out rows" in text and "| metric |" not in text
    sound(text)
    assert page(replace(facts, comparison=few, scored=None)).count("<figure>") == 0


@pytest.mark.parametrize("met", ["stored predictions", "metrics only"])
def test_by_what_a_champion_that_no_longer_answers_was_met_is_said_everywhere(met: ChampionSource, facts: Facts) -> None:
    assert facts.comparison
    nothing = Difference(None, None, None)
    metrics = {name: replace(pair, difference=nothing) for name, pair in facts.comparison.metrics.items()}
    found = replace(facts.comparison, champion_source=met, reasons=[f"by {met}, for it no longer answers", "so it stays"])
    found = replace(found, metrics=metrics, slices=[]) if met == "metrics only" else found
    fallen = replace(facts, comparison=found, scored=None if met == "metrics only" else facts.scored)
    text = summary.markdown(fallen)
    assert text.splitlines()[2] == f"- by {met}, for it no longer answers"
    for told in (text, page(fallen)):
        assert f"champion ({met})" in told and "for it no longer answers" in told
        assert ("of its own holdout" in told) is (met == "metrics only")
        assert ("which neither has seen" in told) is (met != "metrics only")
    assert str(metric_table(found, facts.params).title).endswith(f"of the champion {met}")
    sound(text)


def test_an_unchanged_model_takes_a_few_lines(facts: Facts) -> None:
    same = replace(facts, comparison=None, scored=None, parameters=[], challenger="champion.dir")
    text = summary.markdown(same)
    assert text.splitlines() == [
        "## ➖ model unchanged",
        "",
        "The pipeline gives what it gave at `main`: champion champion.",
    ]
    assert "model unchanged" in page(same)
    told = summary.markdown(replace(same, parameters=[Change("gates.margin", "0.01", "0.02")]))
    assert told.startswith("## ➖ model unchanged\n") and "`gates.margin`" in told


def test_why_it_is_accepted_stands_on_top_of_a_bad_verdict_only(facts: Facts) -> None:
    assert facts.comparison
    for verdict, shown in (("fail", True), ("keep", True), ("promote", False)):
        judged = replace(facts, comparison=replace(facts.comparison, verdict=verdict))  # type: ignore[arg-type]
        for text in (summary.markdown(judged, "label accept-regression"), page(judged, "label accept-regression")):
            assert ("in spite of the verdict" in text) == shown
            assert not shown or text.index("accept-regression") < text.index("roc_auc")


def test_a_report_too_long_for_a_comment_is_shortened_and_says_so(facts: Facts) -> None:
    comparison = facts.comparison
    assert comparison
    gates = [replace(gate, detail="wide " * 190) for gate in comparison.gates * 4]
    slices = [replace(one, slice=f"shop = {'名' * 100}{n}") for n, one in enumerate(comparison.slices * 200)]
    parameters = [Change(f"setting.{'y' * 150}.{number}", "a" * 9_999, "b" * 9_999) for number in range(300)]
    reasons = ["because " * 200] * 40
    long = replace(
        facts, comparison=replace(comparison, slices=slices, gates=gates, reasons=reasons), parameters=parameters
    )
    text = summary.markdown(long)
    tokens = sound(text)
    assert len(text.encode()) <= summary.LIMIT
    assert "Shortened to go into a comment" in text and "Stages and their inputs" in text.splitlines()[-1]
    assert any(token.type == "heading_open" for token in tokens) and "| **roc_auc ↑** |" in text
    assert f"<summary>{len(gates)} gates</summary>" in text


def test_a_failure_shows_the_error_and_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    noise = [f"line {number}" for number in range(100)]
    last = [
        "\x1b[31mRunning stage 'train':\x1b[0m",
        "10 %\r50 %\r100 %",
        "postgresql://me:hunter2@db/flights </details> ```` @octocat",
        "```",
        "error: model.candidates: `Forest|x` cannot be imported",
    ]
    log.write_text("\n".join([*noise, *last]) + "\n", encoding="utf-8")
    text = failure.markdown(log)
    tokens = sound(text)
    assert text.startswith("## ❌ the pipeline failed\n\nmodel.candidates: \\`Forest\\|x\\` cannot be imported\n")
    (fence,) = [token.content.splitlines() for token in tokens if token.type == "fence"]
    assert len(fence) == failure.LOG_LINES
    assert fence[-5:] == ["Running stage 'train':", "100 %", last[2].replace("hunter2", "***"), *last[3:]]
    assert "line 64" not in fence and "line 65" in fence


def test_a_failure_without_a_log_is_still_told(tmp_path: Path) -> None:
    assert "it left no log at gone.log" in failure.markdown(tmp_path / "gone.log")


def test_a_binary_log_is_still_text(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(range(256)) * 40)
    sound(failure.markdown(tmp_path / "log"))


def test_the_plots_are_found_from_a_comment(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    assert "report --html" in summary.markdown(facts)
    for name, value in (("SERVER_URL", "https://github.com"), ("REPOSITORY", "me/shop"), ("RUN_ID", "7")):
        monkeypatch.setenv(f"GITHUB_{name}", value)
    assert "(https://github.com/me/shop/actions/runs/7#artifacts)" in summary.markdown(facts)
