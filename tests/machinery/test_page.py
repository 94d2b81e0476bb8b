"""The page needs nothing but itself, holds the figures of the Markdown, and can be read by everybody."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from mlops_template.data.drift import drift
from mlops_template.render.svg import Plot, ticks, written
from mlops_template.report import failure, page, summary
from mlops_template.report.changes import DataChange, DataSummary
from mlops_template.report.facts import Facts

from .test_model import table
from .test_report import told

FETCHING = {"src", "href", "action", "data", "poster", "srcset", "background", "xlink:href"}
VOID = {"meta", "link", "br", "hr", "img"}


class Reader(HTMLParser):
    """Collects what a page fetches, and what it leaves open."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in FETCHING]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """A change of the model and of the data."""
    before = table()
    after = before.assign(price=before["price"] + 9, birthday=before["birthday"] + pd.Timedelta(days=4000))
    drifts = [drift(before[name], after[name]) for name in ("price", "shop", "member", "birthday")]
    held = DataSummary(600, "2024-01-01", "2024-01-25", 1), DataSummary(1200, "2024-01-01", "2024-02-25", 2)
    found = DataChange(*held, ("rows of the base", "rows added"), drifts)
    return replace(told(tmp_path_factory.mktemp("shop")), data=found, code="1 file changed")


def test_nothing_is_fetched_and_no_script_runs(facts: Facts) -> None:
    content = page.page(facts)
    reader = Reader()
    reader.feed(content)
    assert reader.fetched == ["data:,"]
    assert reader.open == []
    assert "script" not in reader.tags and "default-src 'none'" in content
    assert not re.search(r"url\(|@import|https?://|\bon\w+=", content)


def test_every_part_is_there_with_its_plots(facts: Facts) -> None:
    content = page.page(facts)
    sections = re.findall("<h2>(.*?)</h2>", content)
    both = "Both models on the same rows"
    assert sections == ["Metrics", both, "Slices", "What changed since main", "Data", "Size and latency", "Gates"]
    plots = ["ROC", "Precision and recall", "Reliability diagram", *(f"Predictions where it was {one}" for one in ("positive", "negative"))]
    assert re.findall("<h3>(.*?)</h3>", content) == [*plots, "price", "shop", "member", "birthday"]


def test_each_plot_says_in_words_what_it_shows(facts: Facts) -> None:
    for text in re.findall(r"<svg.*?</svg>", page.page(facts), re.DOTALL):
        svg = ElementTree.fromstring(text)
        assert svg.get("role") == "img"
        named = {node.get("id"): (node.text or "").strip() for node in svg if node.get("id")}
        labels = (svg.get("aria-labelledby") or "").split()
        assert svg.get("aria-label") or (len(labels) == 2 and all(named[label] for label in labels))
        assert not [node for node in svg.iter() if "nan" in " ".join(node.attrib.values())]


def test_the_curves_of_both_models_are_drawn(facts: Facts) -> None:
    plots = re.findall(r'<svg class="plot".*?</svg>', page.page(facts), re.DOTALL)
    for text in plots[:5]:
        for kind in ("challenger", "champion"):
            (points,) = re.findall(rf'<polyline class="{kind}" points="([^"]*)"', text)
            assert len(points.split()) > 3
    roc = re.findall(r'<polyline class="(?:challenger|champion)" points="([^"]*)"', plots[0])
    assert roc[0] != roc[1]
    assert all(curve.startswith("58.0,218.0") and curve.endswith("368.0,10.0") for curve in roc)


def test_the_figures_are_those_of_the_markdown(facts: Facts) -> None:
    shown = re.compile(r"[+-]?\d[\d,]*\.\d+(?: \[[^\]]*\])?")
    text = unescape(re.sub(r"<svg.*?</svg>|<style.*?</style>|<[^>]+>", " ", page.page(facts), flags=re.DOTALL))
    charts_left_out = re.sub(r"```mermaid.*?```", "", summary.markdown(facts), flags=re.DOTALL)
    assert len(set(shown.findall(charts_left_out))) > 30
    assert set(shown.findall(charts_left_out)) - set(shown.findall(text.replace("\xa0", " "))) == set()


def test_a_failure_has_a_page_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("starting\n</pre><script>alert(1)</script>\nerror: no <rows>\n")
    content = failure.page(log)
    reader = Reader()
    reader.feed(content)
    assert "script" not in reader.tags and reader.open == []
    assert content.index("the pipeline failed") < content.index("no &lt;rows&gt;") < content.index("starting")


def test_axes_have_round_figures() -> None:
    assert ticks((0, 1)) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert ticks((-37.0, 112.0)) == pytest.approx([0, 50, 100])
    assert ticks((0.0312, 0.0345)) == pytest.approx([0.032, 0.033, 0.034])
    assert [written(value, (0, 0.01)) for value in ticks((0, 0.01))] == [
        "0.000",
        "0.002",
        "0.004",
        "0.006",
        "0.008",
        "0.010",
    ]
    assert written(-2500, (-5000, 5000)) == "−2,500"


@pytest.mark.parametrize("span", [(0.0, 0.0), (1e-9, 2e-9), (-1e12, 1e12), (5.0, 5.0 + 1e-12)])
def test_every_range_can_be_drawn(span: tuple[float, float]) -> None:
    plot = Plot("t", "d", span, span, ("x", "y"))
    plot.line([(span[0], span[0]), (span[1], span[1])], "challenger")
    ElementTree.fromstring(str(plot))
