"""The columns that carry a model, as the stage `evaluate` found them, and whether it is too good to be true."""

import json
from typing import Any

from ..settings import paths

Carried = dict[str, dict[str, float | None]]
"""Column → what the primary metric loses without it: value, low, high."""

TOO_GOOD = 0.995
"""Of R² or of the area under the ROC curve, of which 1 is perfect."""


def load_carried() -> Carried:
    """What the last `evaluate` wrote, empty where there is none."""
    carried: Carried = json.loads(paths.IMPORTANCE.read_text(encoding="utf-8")) if paths.IMPORTANCE.is_file() else {}
    return carried


def suspicion(measured: dict[str, dict[str, float | None]], carried: Carried) -> str | None:
    """One line where metrics are too good to be true, with the columns that carry the model."""
    for name in ("r2", "roc_auc"):
        value = measured.get(name, {}).get("value")
        if value is not None and value > TOO_GOOD:
            beyond_noise = [column for column, loss in carried.items() if (loss["low"] or 0.0) > 0][:3]
            named = f" It rests on {', '.join(beyond_noise)}." if beyond_noise else ""
            return (
                f"{name} {value:.4f} on the holdout is too good to be true.{named} "
                "Is all of it known when a prediction is made, and nothing of it made of the target?"
            )
    return None


def overconfidence(
    measured: dict[str, dict[str, float | None]], guess: dict[str, dict[str, float | None]]
) -> str | None:
    """One line where the probabilities of a model are worse, beyond noise, than the shares of the classes."""
    own, known = measured.get("log_loss", {}), guess.get("log_loss", {}).get("value")
    if known is None or (own.get("low") or 0.0) <= known:
        return None
    return (
        f"log_loss {own['value']:.4f} on the holdout is worse than that of guessing, {known:.4f}: the model is surer "
        "of itself than it may be. Try fewer rounds or a linear model among `model.candidates`."
    )


def doubts(metrics: dict[str, Any], carried: Carried) -> list[str]:
    """What speaks against a model whatever the gates say, a line each. `metrics` as `evaluate` writes them."""
    measured = metrics.get("model", {})
    found = suspicion(measured, carried), overconfidence(measured, metrics.get("baseline", {}))
    return [doubt for doubt in found if doubt]
