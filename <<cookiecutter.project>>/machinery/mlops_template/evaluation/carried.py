"""The columns that carry a model, as the stage `evaluate` found them, and whether it is too good to be true."""

import json

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
