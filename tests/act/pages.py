"""GitHub Pages: what `gh api` reaches below `pages`.

As GitHub documents it in its REST API, and as the action deploy-pages relies on it: the artifact holds one archive,
`artifact.tar`, without links; a site that is not enabled for workflows is not found; a deployment takes a while.
"""

import shutil
import tarfile

from .fields import address
from .state import Caller, Refused, State, folder, one, require

Path = list[str]
FIELDS = {"artifact_id", "pages_build_version", "oidc_token"}
IDENTITY = "the-identity-of-a-job"


def deploy(held: State, caller: Caller, path: Path, fields: State) -> State:
    """Deploy an artifact of this repository."""
    require(held, caller, ("pages", "write"))
    require(held, caller, ("id-token", "write"))
    if not held["settings"]["pages"]:
        raise Refused("Not Found", 404)
    if fields.keys() != FIELDS or fields["oidc_token"] != IDENTITY or len(fields["pages_build_version"]) != 40:
        raise Refused("Invalid deployment", 400)
    found = one(held["artifacts"], id=fields["artifact_id"])
    archive = folder() / "artifacts" / found["run"] / found["name"] / "artifact.tar"
    if [file.name for file in archive.parent.iterdir()] != ["artifact.tar"]:
        raise Refused("No single artifact.tar in the artifact", 400)
    site = folder() / "site"
    shutil.rmtree(site, ignore_errors=True)
    with tarfile.open(archive, "r:") as files:
        if any(not (member.isfile() or member.isdir()) for member in files):
            raise Refused("The archive has links", 400)
        files.extractall(site, filter="data")
    made: State = {"id": len(held["sites"]) + 1, "page_url": f"{address(held)}/pages/", "asked": 0}
    held["sites"].append(made)
    return made


def deployment(held: State, caller: Caller, path: Path, fields: State) -> State:
    """How far it is."""
    require(held, caller, ("pages", "read"))
    found = one(held["sites"], id=int(path[-1]))
    found["asked"] += 1
    return {"status": "deployment_in_progress" if found["asked"] == 1 else "succeed"}
