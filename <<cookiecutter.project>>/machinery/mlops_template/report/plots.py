"""What the page draws of both models' predictions, of slices and of columns that moved."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ..data.drift import Drift, date_of
from ..evaluation.evaluate import curves, reliability
from ..render.svg import Plot, Point, Range
from ..training.scored import Array, Scored

SCORE_BINS = 40
OURS, THEIRS = "challenger", "champion"


@dataclass(frozen=True)
class CaptionedPlot:
    """A plot with the line below it."""

    plot: Plot
    caption: str


def of_scores(challenger: Scored, champion: Scored, opponent: str) -> Iterator[CaptionedPlot]:
    """The curves of both models, then the distributions of what they predicted."""
    ours, theirs = curves(challenger), curves(champion)
    if "roc" in ours and "roc" in theirs:
        yield overlaid(
            "ROC",
            "True positives against false positives at every threshold: further up and left is better.",
            (ours["roc"], theirs["roc"]),
            opponent,
            ("false positive rate", "true positive rate"),
            (0, 1),
            (0, 1),
            [(0, 0), (1, 1)],
        )
        yield overlaid(
            "Precision and recall",
            "Precision against recall at every threshold: further up and right is better.",
            (ours["precision_recall"], theirs["precision_recall"]),
            opponent,
            ("recall", "precision"),
            (0, 1),
            (0, 1),
            [(0, float(challenger.truth.mean())), (1, float(challenger.truth.mean()))],
        )
    if "calibration" in ours:
        yield calibration(challenger, champion, opponent)
    if challenger.kind == "regression":
        yield from of_errors(challenger, champion, opponent)
    elif challenger.kind == "binary":
        for happened, words in ((1, "it was positive"), (0, "it was negative")):
            rows = challenger.truth == happened
            if rows.any():
                yield distribution(
                    f"Predictions where {words}",
                    "Predicted probabilities, as shares of rows.",
                    (challenger.prediction[rows], champion.prediction[rows]),
                    opponent,
                    "predicted probability",
                    (0, 1),
                )
    else:
        confidences = challenger.confidence()[1], champion.confidence()[1]
        yield distribution(
            "Confidence",
            "The probability of the class decided on, as shares of rows.",
            confidences,
            opponent,
            "probability",
            (0, 1),
        )


def calibration(challenger: Scored, champion: Scored, opponent: str) -> CaptionedPlot:
    """Reliability diagram; whiskers are Wilson's interval of the share, Brown, Cai and DasGupta (2001)."""
    caption = "Observed frequency against predicted probability, with 95 % intervals: calibrated on the dotted line."
    labels = ("predicted probability", "observed frequency")
    plot = Plot("Reliability diagram", f"{caption} This change and the {opponent}.", (0, 1), (0, 1), labels)
    plot.line([(0, 0), (1, 1)], "reference")
    for scored, kind, name in ((challenger, OURS, "this change"), (champion, THEIRS, opponent)):
        bins = reliability(scored)
        points = list(zip(bins["x"], bins["y"], strict=True))
        ends = [
            binomtest(round(y * n), n).proportion_ci(method="wilson")
            for y, n in zip(bins["y"], bins["rows"], strict=True)
        ]
        plot.whiskers([(x, end.low, end.high) for (x, _), end in zip(points, ends, strict=True)], kind)
        plot.line(points, kind, name)
        labels_of_points = [
            f"{name}: predicted {x:.2f}, observed {y:.2f}, {n:,} rows"
            for (x, y), n in zip(points, bins["rows"], strict=True)
        ]
        plot.dots(points, kind, labels_of_points)
    return CaptionedPlot(plot, caption)


def of_errors(challenger: Scored, champion: Scored, opponent: str) -> Iterator[CaptionedPlot]:
    """What a regression said beside what came, and by how much it was wrong."""
    ours, theirs = curves(challenger), curves(champion)
    both = ours["predicted_and_actual"], theirs["predicted_and_actual"]
    points = pd.concat(both)
    low, high = float(points.to_numpy().min()), float(points.to_numpy().max())
    yield overlaid(
        "Predicted and actual",
        "Means of rows with like predictions: on the dotted line they are right on average.",
        both,
        opponent,
        ("predicted", "actual"),
        (low, high),
        (low, high),
        [(low, low), (high, high)],
        dots=True,
    )
    errors = ours["error_quantiles"].iloc[2:-2], theirs["error_quantiles"].iloc[2:-2]
    span = pd.concat(errors)["y"]
    yield overlaid(
        "Quantiles of the error",
        "Predicted minus actual, from the lowest to the highest: flatter and nearer to 0 is better.",
        errors,
        opponent,
        ("share of rows", "error"),
        (0, 1),
        (float(span.min()), float(span.max())),
        [(0, 0), (1, 0)],
    )
    predictions = challenger.prediction, champion.prediction
    yield distribution(
        "Predictions", "What was predicted, as shares of rows.", predictions, opponent, "predicted", spread(predictions)
    )
    wrong = challenger.prediction - challenger.truth, champion.prediction - champion.truth
    yield distribution("Errors", "Predicted minus actual, as shares of rows.", wrong, opponent, "error", spread(wrong))


def overlaid(
    title: str,
    caption: str,
    both: tuple[pd.DataFrame, pd.DataFrame],
    opponent: str,
    labels: tuple[str, str],
    x: Range,
    y: Range,
    reference: list[Point],
    dots: bool = False,
) -> CaptionedPlot:
    """The same curve of both models."""
    plot = Plot(title, f"{caption} Lines of this change and of the {opponent}.", x, y, labels)
    plot.line(reference, "reference")
    for curve, kind, name in ((both[0], OURS, "this change"), (both[1], THEIRS, opponent)):
        points = list(zip(curve["x"].astype(float), curve["y"].astype(float), strict=True))
        plot.line(points, kind, name)
        if dots:
            plot.dots(points, kind, [f"{name}: {across:.3g}, {up:.3g}" for across, up in points])
    return CaptionedPlot(plot, caption)


def distribution(
    title: str, caption: str, both: tuple[Array, Array], opponent: str, label: str, x: Range
) -> CaptionedPlot:
    """The histograms of both models' predictions; what lies outside is counted at the ends."""
    edges = np.linspace(*x, SCORE_BINS + 1)
    heights = [np.histogram(np.clip(side, *x), edges)[0] / max(len(side), 1) for side in both]
    plot = Plot(
        title,
        f"{caption} Histograms of this change and of the {opponent}.",
        x,
        (0, float(max(map(max, heights)))),
        (label, "share of rows"),
    )
    plot.steps(edges.tolist(), heights[0].tolist(), OURS, "this change")
    plot.steps(edges.tolist(), heights[1].tolist(), THEIRS, opponent)
    return CaptionedPlot(plot, caption)


def spread(both: tuple[Array, Array]) -> Range:
    """Where all but the most extreme lie."""
    low, high = np.quantile(np.concatenate(both), [0.005, 0.995])
    return float(low), float(high) if high > low else float(low) + 1


def of_drift(drifted: Drift, compared: tuple[str, str]) -> CaptionedPlot:
    """A column before and after."""
    caption = f"PSI {drifted.index:.2f}: {drifted.typical[0]} → {drifted.typical[1]}"
    top = max([*drifted.before, *drifted.after, 1e-9])
    if drifted.kind == "category":
        names = {float(place): str(name) for place, name in enumerate(drifted.bins)}
        plot = Plot(drifted.column, caption, (-0.5, len(names) - 0.5), (0, top), ("", "share of rows"), names)
        plot.bars((drifted.before, drifted.after), (THEIRS, OURS), compared)
        return CaptionedPlot(plot, caption)
    edges = [float(edge) for edge in drifted.bins]
    days = {edge: date_of(edge) for edge in edges[2:-2:5]} if drifted.kind == "date" else None
    plot = Plot(drifted.column, caption, (edges[0], edges[-1]), (0, top), ("", "share of rows"), days)
    plot.steps(edges, drifted.after, OURS, compared[1])
    plot.steps(edges, drifted.before, THEIRS, compared[0])
    return CaptionedPlot(plot, caption)
