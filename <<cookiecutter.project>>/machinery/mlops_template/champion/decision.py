"""The decision to retrain that a result follows from, as it is kept with the results."""

import json
from dataclasses import dataclass

from ..integrations import dvc
from ..settings import paths


@dataclass(frozen=True)
class Signal:
    """One reason to retrain: whether it is `given`, and the figure behind it."""

    reason: str
    given: bool
    figure: str


@dataclass(frozen=True)
class Decision:
    """Whether to retrain, `why`, and what speaks `against` it: all of it is kept, whatever the answer is."""

    at: str
    retrain: bool
    why: list[str]
    against: list[str]
    signals: list[Signal]
    newest: str | None
    rows: int
    new_rows: int
    data: str
    inputs: str

    @property
    def sentence(self) -> str:
        """The decision and its reasons, on one line."""
        verb = "retrain" if self.retrain else "do not retrain"
        reasons = "; ".join(self.why) or "nothing speaks for it"
        against = "; ".join(self.against)
        but = f", {'but' if self.why else 'and'} {against}" if against else ""
        return f"{verb}: {reasons}{but}"

    def __str__(self) -> str:
        figures = [f"{'✓' if signal.given else '–'} {signal.reason:<8} {signal.figure}" for signal in self.signals]
        return "\n".join([*figures, self.sentence])


def decided(base: str = "HEAD^") -> Decision | None:
    """The decision that lies with the results, None where they come of none, or that of the revision `base` is it."""
    text = dvc.read(paths.DECISION, None)
    if text is None or text == dvc.read(paths.DECISION, base):
        return None
    content = json.loads(text)
    return Decision(**{**content, "signals": [Signal(**signal) for signal in content["signals"]]})
