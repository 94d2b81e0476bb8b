"""Run the pipeline and say what came of it: the same on a laptop and in a job that starts with an empty disk."""

import json
from dataclasses import asdict, dataclass

from ..integrations import actions, dvc, git
from ..settings import paths
from ..storage import storage

RESULT = (paths.LOCK, paths.CHAMPION_POINTER, paths.COMPARISON)
"""What git keeps of a result: where none of them differs, neither does the model."""


@dataclass(frozen=True)
class Trained:
    """What `train` found: the stages that ran, and whether the result differs from that of the revision `base`."""

    ran: list[str]
    base: str
    changed: bool

    def __str__(self) -> str:
        stages = f"ran {', '.join(self.ran)}" if self.ran else "no stage had to run"
        return f"{stages}; model {'differs from that' if self.changed else 'unchanged since that'} of {self.base}"


def train(base: str = "HEAD") -> Trained:
    """Run the stages whose inputs changed, fetching what they read, and look how the result stands to `base`.

    Raises ProjectError when a stage fails, or no commit is named `base`.
    """
    base = git.known(base)
    storage.ensure()
    stages = dvc.repro()
    paths.STAGES.parent.mkdir(parents=True, exist_ok=True)
    told = {"lock": dvc.lock_digest(), "stages": [asdict(stage) for stage in stages]}
    paths.STAGES.write_text(json.dumps(told, indent=2), encoding="utf-8")
    found = Trained([stage.stage for stage in stages if stage.ran], base, differs(base))
    actions.output("changed", str(found.changed).lower())
    return found


def differs(base: str) -> bool:
    """Whether the working tree holds another result than a revision."""
    return any(dvc.read(path, base) != dvc.read(path, None) for path in RESULT)
