"""Write the site into a folder."""

from pathlib import Path

from ..monitor.exported import imported
from ..monitor.monitor import monitor
from ..report.report import write
from ..settings.params import load_params
from .life import gather
from .pages import INDEX, pages


def site(folder: Path, log: str, exported: bool = False) -> str:
    """Write every page; production is told from the log of predictions at `log`, or as it was `exported`, or not.

    Returns a line that says where it begins. Raises ProjectError where there is no champion yet, or the log is none.
    """
    params = load_params()
    life = gather(params, monitor(params, log) if log else imported().found if exported else None)
    written = 0
    for name, content in pages(life):
        write(folder / name, content)
        written += 1
    return "\n".join([f"{folder / INDEX}: {written} pages", *life.notes])
