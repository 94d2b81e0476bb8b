"""Where data and models are kept: a branch of this repository, or a bucket or server of your own.

The branch `dvc-storage` shares no file with `main`. It is checked out in `.storage`, the directory that
`.dvc/config` names as DVC's remote: what DVC copies there is committed and pushed. Files are named by their
content, so two people never change the same one, and nothing is ever removed or overwritten here.
With any other URL in `.dvc/config` all of it is DVC's own affair.
"""

import contextlib
from pathlib import Path

from ..errors import ProjectError
from ..paths import STORAGE
from ..project import load_project
from . import dvc, git
from .git import git as run

BRANCH = "dvc-storage"
REMOTE_BRANCH = f"refs/remotes/origin/{BRANCH}"
LIMIT = 100 * 1024**2
"""Bytes. GitHub refuses larger files, and with one in its history a branch can never be pushed again."""
TRIES = 5

# Every byte as it is on Windows too, and never a half-written file of DVC.
FIRST_FILES = {".gitattributes": "* -text\n", ".gitignore": "*.tmp\n"}
# The first commit is the same in every clone, so branches that were begun apart can still be joined.
NOBODY = ["-c", "user.name=storage", "-c", "user.email=storage@localhost"]


def is_branch() -> bool:
    """Whether data lies on a branch of this repository, rather than in a bucket or on a server."""
    return Path(dvc.storage_url()) == Path.cwd() / STORAGE
