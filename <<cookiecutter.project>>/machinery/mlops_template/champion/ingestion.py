"""Take in the source's fresh rows and version them: on a laptop, and in a job that starts with an empty disk."""

from ..data.contract import load_contract
from ..data.ingest import Ingested
from ..data.ingest import ingest as take
from ..integrations import actions, dvc
from ..settings import paths
from ..settings.params import load_params
from ..storage import storage


def ingest() -> Ingested:
    """One batch, or nothing of it. Raises `data.inspection.BatchRejected` when it breaks the contract."""
    if paths.RAW_POINTER.exists() and not paths.RAW.is_dir():
        storage.pull(paths.RAW)
    taken = take(load_params(), load_contract())
    if taken.rows:
        dvc.add(paths.RAW)
    actions.output("fresh", str(bool(taken.rows)).lower())
    return taken
