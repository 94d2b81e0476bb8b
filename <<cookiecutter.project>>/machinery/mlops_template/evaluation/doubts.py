"""What speaks against a model whatever the gates say: it is too good to be true, or surer of itself than it may be."""

import json
from typing import Any

from ..settings import paths

Importance = dict[str, dict[str, float | None]]
"""Column → what the primary metric loses without it: value, low, high."""

LINEAR_MODELS = "sklearn.linear_model."
"""How the dotted paths of linear models begin."""

TOO_GOOD = 0.995
"""Of R² or of the area under the ROC curve, of which 1 is perfect."""


def load_importance() -> Importance:
    """What the last `evaluate` wrote, empty where there is none."""
    if not paths.IMPORTANCE.is_file():
        return {}
    importance: Importance = json.loads(paths.IMPORTANCE.read_text(encoding="utf-8"))
    return importance


def load_alternatives() -> dict[str, Any]:
    """The same of the models beside it."""
    if not paths.ALTERNATIVES.is_file():
        return {}
    alternatives: dict[str, Any] = json.loads(paths.ALTERNATIVES.read_text(encoding="utf-8"))
    return alternatives


def suspicion(measured: dict[str, Any], importance: Importance) -> str | None:
    """One line where metrics are too good to be true, with the most important columns."""
    for name in ("r2", "roc_auc"):
        value = measured.get(name, {}).get("value")
        if value is not None and value > TOO_GOOD:
            beyond_noise = [column for column, loss in importance.items() if (loss["low"] or 0.0) > 0][:3]
            named = f" It rests on {', '.join(beyond_noise)}." if beyond_noise else ""
            return (
                f"{name} {value:.4f} on the holdout is too good to be true.{named} "
                "Is all of it known when a prediction is made, and nothing of it made of the target?"
            )
    return None


def overconfidence(measured: dict[str, Any], guess: dict[str, Any]) -> str | None:
    """One line where the probabilities of a model are worse, beyond noise, than the shares of the classes."""
    own, known = measured.get("log_loss", {}), guess.get("log_loss", {}).get("value")
    if known is None or (own.get("low") or 0.0) <= known:
        return None
    return (
        f"log_loss {own['value']:.4f} on the holdout is worse than that of guessing, {known:.4f}: the model is surer "
        "of itself than it may be. Try fewer rounds or a linear model among `model.candidates`."
    )


def simplicity(alternatives: dict[str, Any]) -> str | None:
    """One line where a linear model is better, beyond noise."""
    linear = alternatives.get("linear") or {}
    if not linear.get("better"):
        return None
    return (
        f"a linear model is better on the holdout ({linear['value']:.4f}): take {linear['estimator']} among "
        "`model.candidates`."
    )


def doubts(metrics: dict[str, Any], importance: Importance, alternatives: dict[str, Any]) -> list[str]:
    """What speaks against a model whatever the gates say, a line each. All as `evaluate` writes them."""
    measured = metrics.get("model", {})
    doubts = (
        suspicion(measured, importance),
        overconfidence(measured, metrics.get("baseline", {})),
        simplicity(alternatives),
    )
    return [doubt for doubt in doubts if doubt]
