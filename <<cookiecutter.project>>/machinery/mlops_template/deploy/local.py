"""The service on this machine: the same application as in the image, on the champion as it is here."""

from pathlib import Path

from ..champion.lineage import find_champion
from ..serving.files import RELEASE_FILE, read
from ..settings import paths
from ..settings.params import Params
from .package import package


def ready_package(params: Params, directory: Path = paths.PACKAGE) -> Path:
    """The package of the champion, made where it is not there or was made from something else."""
    if not is_current(directory):
        package(params, directory)
    return directory


def is_current(directory: Path) -> bool:
    """Whether it holds the champion, by the rules and settings as they are now."""
    file = directory / RELEASE_FILE
    if not file.is_file():
        return False
    champion, release = find_champion("champion")[0], read(file)
    if (release["digest"], release["commit"]) != (champion.digest, champion.commit):
        return False
    return all(source.stat().st_mtime < file.stat().st_mtime for source in (paths.PARAMS, paths.CONTRACT))
