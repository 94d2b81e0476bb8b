"""Write the site into a folder."""

import tarfile
from pathlib import Path

from ..monitor.exported import imported
from ..monitor.monitor import monitor
from ..report.report import write
from ..settings.params import load_params
from .life import gather
from .pages import INDEX, pages


def site(folder: Path, log: str, exported: bool = False, archive: Path | None = None) -> str:
    """Write every page; production is told from the log of predictions at `log`, or as it was `exported`, or not.

    With `archive` it is written there as well, in one file of tar.

    Returns a line that says where it begins. Raises ProjectError where there is no champion yet, or the log is none.
    """
    params = load_params()
    production, superseded = monitor(params, log) if log else None, ""
    if exported and not log:
        kept = imported()
        superseded = kept.superseded()
        production = None if superseded else kept.monitoring
    life = gather(params, production, superseded)
    written = 0
    for name, content in pages(life):
        write(folder / name, content)
        written += 1
    if archive:
        with tarfile.open(archive, "w") as file:
            file.add(folder, ".")
    return "\n".join([f"{folder / INDEX}: {written} pages", *life.notes])
