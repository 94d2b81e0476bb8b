"""Which files of the source were read already, so that `ingest` reads only what is new or has changed.

The list is kept in `data/raw` beside the rows that the files gave: it is versioned, fetched and taken back with them.
"""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from ..render.json_file import write_json
from ..settings.params import Columns
from ..settings.paths import RAW
from . import partitions

LIST = RAW / "files.json"

DIGESTS = ("etag", "md5hash", "content_md5")
MODIFIED = ("mtime", "lastmodified", "last_modified", "updated")
"""What storages call the digest of a file, and the time of its last change."""

SETTLED = timedelta(seconds=5)
"""A file that was changed later than so long ago might be changed again within the same tick of its storage's clock."""

Versions = dict[str, str]
"""File → what tells whether it is still the same: its size, with its digest or else the time of its last change."""


def read_before(columns: Columns) -> Versions:
    """The files that gave the rows held; none where these were taken away, or other columns told what was new."""
    try:
        kept = json.loads(LIST.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # without the list everything is read, which is never wrong
        return {}
    still_held = set(kept["partitions"]) <= {part.name for part in partitions.files()}
    files: Versions = kept["files"]
    return files if still_held and kept["columns"] == deciding(columns) else {}


def remember(files: Versions, columns: Columns) -> None:
    """Write down the files that gave the rows held."""
    names = [part.name for part in partitions.files()]
    with partitions.scratch() as folder:
        new = folder / LIST.name
        write_json(new, {"columns": deciding(columns), "partitions": names, "files": dict(sorted(files.items()))})
        new.replace(LIST)  # never into the old file, which may be a link into DVC's cache


def deciding(columns: Columns) -> dict[str, str | None]:
    """The columns that decide which rows are new."""
    return {"id": columns.id, "time": columns.time}


def version_of(path: str) -> str | None:
    """The version of a file on this machine or behind any fsspec URL.

    None where its storage tells none, or where it was changed only now.
    """
    import fsspec

    try:
        files, place = fsspec.url_to_fs(path)
        told = {key.lower().replace("-", "_"): value for key, value in files.info(place).items()}
    except (ImportError, ValueError, OSError):  # reading it will say what is wrong
        return None
    size = told.get("size")
    digest = next((str(told[key]) for key in DIGESTS if told.get(key)), None)
    if digest:
        return f"{size} {digest}"
    changed = next((moment for key in MODIFIED if (moment := as_moment(told.get(key)))), None)
    if changed is None or pd.Timestamp.now("UTC") - changed < SETTLED:
        return None
    return f"{size} {changed.isoformat()}"


def as_moment(value: Any) -> pd.Timestamp | None:
    """A time of change, which storages tell as seconds since 1970 or as a moment; None where it is neither."""
    if isinstance(value, int | float):
        return pd.Timestamp(value, unit="s", tz="UTC")
    if isinstance(value, datetime):
        return pd.Timestamp(value if value.tzinfo else value.astimezone())
    return None


def name_of_file(path: str) -> str:
    """A file of this machine by its way from the project, so that the list names no folder above it."""
    local = path.removeprefix("file://")
    try:
        return Path(os.path.relpath(local)).as_posix() if local != path else path
    except ValueError:  # another drive of Windows
        return path
