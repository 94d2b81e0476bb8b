"""Charts in Mermaid, which GitHub draws where they stand. Only lines: its bars begin at the edge, not at zero."""

import json
import re

from ..evaluation.comparison import SliceDifference
from ..evaluation.evaluate import BINS, curves, reliability
from ..render.markdown import fenced, one_line, shortened
from ..training.scored import Scored

MAX_SLICES = 10
MAX_LEN_LABEL = 16
MIN_ROWS = 20
"""In a bin of probability, for its share to be drawn."""

THIS, CHAMPION, NEUTRAL, ENDS = "#3b82f6", "#d97706", "#9ca3af", "#93c5fd"

Lines = list[tuple[str, list[float]]]
"""The colour of each line and its points, in the order in which they are drawn."""


def slice_chart(slices: list[SliceDifference], primary: str, opponent: str) -> list[str]:
    """The slices that differ most, from the worst difference to the best, with their intervals."""
    defined = [one for one in slices if None not in (one.difference.low, one.difference.high)]
    defined.sort(key=lambda one: abs(one.difference.value or 0), reverse=True)
    drawn = sorted(defined[:MAX_SLICES], key=lambda one: one.difference.value or 0)
    if len(drawn) < 2:
        return []
    lines = [
        (NEUTRAL, [0.0] * len(drawn)),
        (ENDS, [one.difference.low or 0.0 for one in drawn]),
        (ENDS, [one.difference.high or 0.0 for one in drawn]),
        (THIS, [one.difference.value or 0.0 for one in drawn]),
    ]
    title = f"{primary}, this change minus {opponent} (blue), with the ends of its 95 % interval"
    return chart(title, [one.slice for one in drawn], "difference", lines)


def score_chart(challenger: Scored, champion: Scored, opponent: str) -> list[str]:
    """Calibration of both models; of a regression the quantiles of their errors."""
    if challenger.kind == "regression":
        ours, theirs = curves(challenger), curves(champion)
        shown = ours["error_quantiles"].index[5:96:5]
        sides = [side["error_quantiles"].loc[shown] for side in (ours, theirs)]
        errors = [side["y"].tolist() for side in sides]
        lines = [(NEUTRAL, [0.0] * len(shown)), (CHAMPION, errors[1]), (THIS, errors[0])]
        labels = [f"{share:.0%}" for share in sides[0]["x"]]
        return chart(f"Quantiles of the error: this change blue, {opponent} orange", labels, "error", lines)
    diagrams = [side[side["rows"] >= MIN_ROWS] for side in map(reliability, (challenger, champion))]
    bins = [dict(zip((side["x"] * BINS).astype(int), side["y"], strict=True)) for side in diagrams]
    common = sorted(set(bins[0]) & set(bins[1]))
    if len(common) < 3:
        return []
    ideal = [(number + 0.5) / BINS for number in common]
    happened = [[side[number] for number in common] for side in bins]
    lines = [(NEUTRAL, ideal), (CHAMPION, happened[1]), (THIS, happened[0])]
    labels = [f"{number / BINS:.1f} to {(number + 1) / BINS:.1f}" for number in common]
    return chart(
        f"How often it happened, by probability given: this change blue, {opponent} orange", labels, "share", lines
    )


def chart(title: str, labels: list[str], axis: str, lines: Lines) -> list[str]:
    """Lines over named places, as a fenced block."""
    points = [value for _, line in lines for value in line]
    low, high = min(points), max(points)
    room = (high - low) * 0.05 or 1.0
    look = {
        "width": 760,
        "height": 260,
        "titleFontSize": 14,
        "xAxis": {"labelFontSize": 11},
        "yAxis": {"labelFontSize": 11},
    }
    settings = {
        "xyChart": look,
        "themeVariables": {"xyChart": {"plotColorPalette": ", ".join(colour for colour, _ in lines)}},
    }
    return fenced(
        [
            f"%%{{init: {json.dumps(settings)}}}%%",
            "xychart-beta",
            f"  title {quoted(title)}",
            f"  x-axis [{', '.join(quoted(shortened(label, MAX_LEN_LABEL)) for label in labels)}]",
            f"  y-axis {quoted(axis)} {low - room:.4f} --> {high + room:.4f}",
            *(f"  line [{', '.join(f'{value:.4f}' for value in line)}]" for _, line in lines),
        ],
        "mermaid",
    )


def quoted(text: str) -> str:
    """Text that ends no string and opens nothing, in the quotes that Mermaid wants."""
    harmless = re.sub(r"[^\w\s.,:=%+()/–-]|%(?=%)", "_", one_line(text)).strip()
    return f'"{harmless or "_"}"'
