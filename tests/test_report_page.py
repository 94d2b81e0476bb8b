"""The report of a real change: the same text everywhere, charts that Mermaid takes, a page for every reader."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from mlops_template.render.markup import document
from mlops_template.render.svg import Plot

from browser import Look, complaints, look
from support import cli, commit, environment, git, needs, run

pytestmark = pytest.mark.slow

MERMAID = ["mermaid@11.17.2", "jsdom@26.1.0"]
PARSE = """
import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";
const { window } = new JSDOM("");
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import("mermaid");
for (const text of JSON.parse(readFileSync(0, "utf8"))) {
  const { diagramType } = await mermaid.parse(text);
  console.log(diagramType);
}
"""


@pytest.fixture(scope="module")
def origin(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository whose branch `april` stops after fewer rounds and a month more than `main`."""
    folder = tmp_path_factory.mktemp("reported")
    bare, work = folder / "origin.git", folder / project.name
    run("git", "clone", "--quiet", "--bare", str(project), str(bare), cwd=folder)
    run("git", "clone", "--quiet", str(bare), str(work), cwd=folder)
    for key in ("user.name", "user.email"):
        git(work, "config", key, "ada@example.com")
    run("uv", "sync", "--quiet", cwd=work)
    cli(work, "pull")
    git(work, "checkout", "--quiet", "-b", "april")
    params = work / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("max_iter: 150 ", "max_iter: 100 "), encoding="utf-8")
    cli(work, "ingest")
    cli(work, "run")
    commit(work, "A month more")
    cli(work, "push")
    git(work, "push", "--quiet", "origin", "april")
    return bare


@pytest.fixture(scope="module")
def work(origin: Path) -> Path:
    """The clone in which the change was made."""
    return next(folder for folder in origin.parent.iterdir() if folder != origin)


@pytest.fixture(scope="module")
def reports(work: Path) -> tuple[str, str]:
    """Its report, in Markdown and as a page."""
    cli(work, "report", "--base", git(work, "rev-parse", "main"), "--out", "told.md", "--html", "drawn.html")
    texts = [(work / name).read_text(encoding="utf-8") for name in ("told.md", "drawn.html")]
    for name in ("told.md", "drawn.html"):
        (work / name).unlink()
    return texts[0], texts[1]


def test_it_says_what_changed(reports: tuple[str, str]) -> None:
    text, _ = reports
    assert "| `model.candidates.0.params.max_iter` | `150` | `100` |" in text
    assert re.search(r"- data: rows 77,911 → 105,475, .*2013-03-31 → 2013-01-01 to 2013-04-30", text)
    assert re.search(r"- distributions: \d+ of 17 columns moved: `temperature`", text)
    assert re.search(r"- stages: validate [\d.]+ s, split [\d.]+ s, train [\d.]+ s, evaluate [\d.]+ s", text)
    assert re.search(r"\*\*size\*\* \d.* MB \(champion .* MB, .*\), .* ms \(champion .* ms", text)


def test_a_job_with_two_commits_tells_the_same(
    origin: Path, work: Path, reports: tuple[str, str], tmp_path: Path
) -> None:
    """As in a workflow: the clone knows the branch's last commit and that of main, and has no data yet."""
    job = tmp_path / work.name
    run("git", "clone", "--quiet", "--depth=1", "--branch=april", origin.as_uri(), str(job), cwd=tmp_path)
    base = git(work, "rev-parse", "main")
    git(job, "fetch", "--quiet", "--depth=1", "origin", base)
    run("uv", "sync", "--quiet", cwd=job)
    (job / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
    shutil.copy(work / ".dvc" / "tmp" / "stages.json", job / ".dvc" / "tmp")
    summary = tmp_path / "summary.md"
    cli(job, "report", "--base", base, "--out", "told.md", GITHUB_STEP_SUMMARY=str(summary))
    assert (job / "told.md").read_text(encoding="utf-8") == reports[0]
    assert summary.read_text(encoding="utf-8").strip() == reports[0].strip()
    assert git(job, "rev-parse", "--is-shallow-repository") == "true"


def test_the_report_alone_goes_to_stdout(work: Path, reports: tuple[str, str]) -> None:
    """What is told on the way would spoil it."""
    command = ["uv", "run", "--no-sync", work.name, "report", "--base", git(work, "rev-parse", "main")]
    done = subprocess.run(command, cwd=work, env=environment(), capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == reports[0]


def test_diff_compares_with_any_revision_and_leaves_the_record_alone(work: Path) -> None:
    before = git(work, "status", "--porcelain")
    said = cli(work, "diff", "main")
    assert re.search(r"roc_auc .*champion|champion .*\n(.*\n)*.*roc_auc", said)
    assert "verdict: " in said and "max_iter: 150 → 100" in said and "rows 77,911 → 105,475" in said
    record = work / "reports" / "comparison.json"
    kept = record.read_bytes()
    params = work / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("margin: 0.01", "margin: 0.5"), encoding="utf-8")
    try:
        assert "(margin 0.5)" in cli(work, "diff", "main")
        assert record.read_bytes() == kept
    finally:
        params.write_text(text, encoding="utf-8")
    assert git(work, "status", "--porcelain") == before
    assert cli(work, "diff", "nothing", check=False).startswith("error: no commit is named nothing")


def test_a_comparison_under_other_settings_is_not_told_as_this_one(work: Path) -> None:
    params = work / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("margin: 0.01", "margin: 0.5"), encoding="utf-8")
    try:
        said = cli(work, "report", "--base", "main", check=False)
    finally:
        params.write_text(text, encoding="utf-8")
    assert "uv run flight-delays compare --base main" in said.splitlines()[-1]


def test_where_nothing_changed_it_says_so_in_a_few_lines(project: Path) -> None:
    said = cli(project, "report")
    assert said.startswith("## ➖ model unchanged\n") and len(said.splitlines()) < 5
    assert "unchanged" in cli(project, "diff", "HEAD")


def test_a_model_that_cannot_even_be_imported_is_reported(work: Path) -> None:
    code = work / "machinery" / "mlops_template" / "training" / "pipeline.py"
    text = code.read_text(encoding="utf-8")
    code.write_text("def broken(:\n", encoding="utf-8")
    try:
        (work / "train.log").write_text(cli(work, "train", check=False), encoding="utf-8")
        said = cli(work, "report", "--failure", "train.log", "--html", "failed.html")
        assert "the pipeline failed" in (work / "failed.html").read_text(encoding="utf-8")
    finally:
        code.write_text(text, encoding="utf-8")
        for name in ("train.log", "failed.html"):
            (work / name).unlink(missing_ok=True)
    assert said.startswith("## ❌ the pipeline failed\n")
    assert "SyntaxError: invalid syntax" in said and "def broken(:" in said


def test_mermaid_takes_every_chart(reports: tuple[str, str], tmp_path: Path) -> None:
    charts = re.findall(r"^```mermaid\n(.*?)^```", reports[0], re.DOTALL | re.MULTILINE)
    assert len(charts) == 2
    assert parsed(charts, tmp_path).split() == ["xychart", "xychart"]
    with pytest.raises(AssertionError, match="Parse error"):
        parsed([charts[0].replace("line [", "line ", 1)], tmp_path)


def parsed(charts: list[str], folder: Path) -> str:
    """The kind of each chart, by Mermaid itself. Without npm the test is skipped, but not in CI."""
    advice = "install Node.js 20 or newer with npm (https://nodejs.org)"
    node, npm = needs("node", advice), needs("npm", advice)
    if not (folder / "node_modules").exists():
        run(npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(folder), *MERMAID, cwd=folder)
        (folder / "parse.mjs").write_text(PARSE, encoding="utf-8")
    done = subprocess.run(
        [node, "parse.mjs"], cwd=folder, input=json.dumps(charts), capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def phone(reports: tuple[str, str]) -> Look:
    return look(reports[1], width=400)


@pytest.fixture(scope="module")
def desk(reports: tuple[str, str]) -> Look:
    return look(reports[1], width=1200, dark=True)


def test_the_page_fits_on_a_phone(phone: Look) -> None:
    assert phone.page["width"] == 400
    assert phone.page["smallest"] >= 10


def test_every_plot_is_drawn(phone: Look, desk: Look) -> None:
    for seen in (phone, desk):
        names = [name for name, *_ in seen.page["figures"]]
        assert names[:5] == [
            "ROC",
            "Precision and recall",
            "Reliability diagram",
            "Predictions where it was positive",
            "Predictions where it was negative",
        ]
        assert "temperature" in names and len(names) == 5 + 17
        assert all(width > 300 and height > 200 for _, width, height in seen.page["figures"])
        assert all(width > 100 and height > 10 for width, height in seen.page["plots"])
        assert min(seen.page["drawn"]) >= 2
        assert seen.page["outside"] == seen.page["overlapping"] == []


def test_light_and_dark_can_both_be_read(phone: Look, desk: Look) -> None:
    """WCAG 2.2, AA: contrast of 4.5 for text, of 3 for what is drawn."""
    assert phone.page["background"] != desk.page["background"]
    for seen in (phone, desk):
        assert seen.page["text"] >= 4.5
        assert seen.page["lines"] >= 3


def test_the_page_asks_for_nothing_and_complains_of_nothing(phone: Look, desk: Look) -> None:
    for seen in (phone, desk):
        assert seen.console == []
        assert seen.asked == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(reports: tuple[str, str], dark: bool) -> None:
    assert complaints(reports[1], dark) == []


def test_axe_would_tell() -> None:
    broken = """<!doctype html><html lang="en"><head><meta http-equiv="Content-Security-Policy" content="x">
        <title>x</title></head><body><p style="color:#ddd;background:#fff">pale</p><img src="data:,"></body></html>"""
    assert [one.partition(":")[0] for one in complaints(broken)] == ["color-contrast", "image-alt"]


@pytest.mark.parametrize(
    "names",
    [
        ["2024-01-25"] * 4,
        ["2024-01-25"] * 5,
        ["01-25"] * 6,
        ["Delta", "Hawaiian Airlines", "United", "US Airways", "AA"],
    ],
    ids=["weeks", "more weeks", "days", "categories"],
)
def test_no_name_under_an_axis_is_cut_or_runs_into_another(names: list[str]) -> None:
    plot = Plot("x", "x", (0, len(names) - 1), (0, 1), ("", "y"), {float(at): name for at, name in enumerate(names)})
    plot.line([(0, 0), (1, 1)], "challenger")
    content = document("p", "keep", "what it says", [f"<figure><h3>x</h3>{plot}</figure>"])
    for width in (400, 1200):
        assert look(content, width).page["outside"] == look(content, width).page["overlapping"] == []


def test_the_browser_would_tell(tmp_path: Path) -> None:
    """The page's promises are looked for where they can be seen broken."""
    broken = """<body style="color:#999;background:#fff"><main style="width:900px">pale</main><figure><h3>x</h3>
        <svg class="plot" viewBox="0 0 9 9" width="9" height="9"><text x="50">out</text><text x="50">side</text>
        <polyline class="champion" stroke="#eee"/></svg></figure>
        <img src="http://example.com/pixel.png"><script>console.error("no")</script></body>"""
    seen = look(broken, width=400)
    assert seen.page["width"] > 400
    assert seen.page["text"] < 4.5 and seen.page["lines"] < 3
    assert seen.page["drawn"] == [0] and seen.page["outside"] == ["out", "side"]
    assert seen.page["overlapping"] == ["out and side"]
    assert len(seen.console) == 1 and seen.asked == ["http://example.com/pixel.png"]
