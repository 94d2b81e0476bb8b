"""The digests that DVC gives files and directories."""

import hashlib
import json
from pathlib import Path


def directory_digest(directory: Path) -> str:
    """The digest that DVC gives a directory: the MD5 of the list of its files, each with its MD5."""
    entries = [
        {"md5": file_digest(path), "relpath": path.relative_to(directory).as_posix()}
        for path in directory.rglob("*")
        if path.is_file()
    ]
    entries.sort(key=lambda entry: entry["relpath"])
    listing = json.dumps(entries, sort_keys=True).encode()
    return hashlib.md5(listing, usedforsecurity=False).hexdigest() + ".dir"


def file_digest(path: Path) -> str:
    """MD5 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
