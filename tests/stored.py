"""What the commits of a project name, and what its storage branch holds of it."""

import json
import subprocess
from pathlib import Path

import yaml

from act.github import GitHub
from support import git


def champion(hub: GitHub, revision: str = "main") -> str:
    """The digest of the model that a revision runs."""
    return str(yaml.safe_load(hub.show(revision, "models/champion.dvc"))["outs"][0]["md5"])


def data_until(hub: GitHub, revision: str = "main") -> str:
    """The last day of the data that a revision names, as the storage has it."""
    digest = yaml.safe_load(hub.show(revision, "data/raw.dvc"))["outs"][0]["md5"]
    names = [entry["relpath"] for entry in json.loads(hub.show("dvc-storage", key(digest)))]
    return max(name for name in names if name.endswith(".parquet"))[len("2013-01-01_") :].removesuffix(".parquet")


def missing_in_storage(hub: GitHub, revision: str) -> list[str]:
    """The contents that a revision names, of its champion and its pipeline, and the storage branch lacks."""
    lock = yaml.safe_load(hub.show(revision, "dvc.lock"))
    outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
    for pointer in ("data/raw.dvc", "models/champion.dvc"):
        outs += yaml.safe_load(hub.show(revision, pointer))["outs"]
    in_git = set(git(hub.origin, "ls-tree", "-r", "--name-only", revision).splitlines())
    named = {out["md5"] for out in outs if out["path"] not in in_git}
    assert len(named) > 3
    held = set(git(hub.origin, "ls-tree", "-r", "--name-only", "dvc-storage").splitlines())
    for folder in [name for name in named if name.endswith(".dir")]:
        if key(folder) in held:
            named |= {entry["md5"] for entry in json.loads(hub.show("dvc-storage", key(folder)))}
    return sorted(name for name in named if key(name) not in held)


def key(content: str) -> str:
    """Where the storage keeps a content."""
    return f"files/md5/{content[:2]}/{content[2:]}"


def take_out(hub: GitHub, digest: str) -> Path:
    """A model's directory, written from the storage branch."""
    target = hub.folder / "models" / digest
    for entry in json.loads(hub.show("dvc-storage", key(digest))):
        file = target / entry["relpath"]
        file.parent.mkdir(parents=True, exist_ok=True)
        blob = ["git", "cat-file", "blob", f"dvc-storage:{key(entry['md5'])}"]
        file.write_bytes(subprocess.run(blob, cwd=hub.origin, stdout=subprocess.PIPE, check=True).stdout)
    return target
