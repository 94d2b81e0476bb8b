"""The image of a champion in the registry: pushed once, and from then on known by the digest of its content."""

import json

from ..champion.lineage import find_champion
from ..errors import ProjectError
from ..integrations import actions, git
from ..integrations.process import CommandFailed, run
from ..integrations.revisions import Champion
from ..settings.params import Params

MODEL_LABEL, REVISION_LABEL = "model.digest", "org.opencontainers.image.revision"
"""Of an image: the digest of its model, and the commit that it was built from."""


def registry(params: Params) -> str:
    """Where the image is published."""
    host = params.deploy.repository.partition("/")[0]
    actions.output("registry", host)
    return host


def publish(params: Params, version: str) -> str:
    """Push the image that was built here as that of a champion. Returns its name with the digest.

    It bears the tags of the commit that it was built from and of the one that promoted the champion. Raises
    ProjectError where it holds another model, or more than the commit.
    """
    champion, _ = find_champion(version)
    built = built_image(params)
    refuse_another(built, champion)
    tags = {built, tag_of(params, champion)}
    for tag in sorted(tags):
        run("docker", "tag", built, tag)
        print(f"pushing {tag}", flush=True)
        run("docker", "push", "--quiet", tag)
    return describe_image(params, champion, with_digest(params, built))


def refuse_another(built: str, champion: Champion) -> None:
    """Raise ProjectError where an image is not what its tags will say of it."""
    labels = json.loads(run("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", built)) or {}
    model, revision = labels.get(MODEL_LABEL), labels.get(REVISION_LABEL)
    if model != champion.digest:
        raise ProjectError(
            f"{built} holds model {str(model)[:8]}, not champion {champion.number} ({champion.short}): "
            "`deploy package` and `deploy image` build that of this commit, `--find` takes an earlier published one"
        )
    if revision != git.head():
        raise ProjectError(f"{built} was built from {revision}: commit, then `deploy image`, for the commit is its tag")


def find_published(params: Params, version: str) -> str:
    """The image of an earlier champion in the registry, by its digest: nothing is built."""
    champion, _ = find_champion(version)
    return describe_image(params, champion, published(params, champion))


def published(params: Params, champion: Champion) -> str:
    """The image of a champion, with its digest. Raises ProjectError where the registry has none."""
    tag = tag_of(params, champion)
    try:
        run("docker", "pull", "--quiet", tag)
    except CommandFailed as reason:
        raise ProjectError(
            f"no image of champion {champion.number} can be fetched ({reason}): "
            f"`gh workflow run deploy.yml` builds and publishes that of main"
        ) from None
    return with_digest(params, tag)


def describe_image(params: Params, champion: Champion, image: str) -> str:
    """Tell the following jobs which image and champion it is about."""
    name, _, digest = image.partition("@")
    for key, value in (("image", image), ("name", name), ("digest", digest), ("version", str(champion.number))):
        actions.output(key, value)
    return image


def built_image(params: Params) -> str:
    """What the image is called here that was built from the checked-out commit."""
    commit = git.head()
    if commit is None:
        raise ProjectError("nothing is committed yet: commit first, the image is tagged by the commit")
    return f"{params.deploy.repository}:{commit}"


def tag_of(params: Params, champion: Champion) -> str:
    """The image's name with the commit that promoted the champion."""
    if champion.commit is None:
        raise ProjectError("the promotion is not committed yet: commit it first, the image is tagged by the commit")
    return f"{params.deploy.repository}:{champion.commit}"


def with_digest(params: Params, tag: str) -> str:
    """The name by which the registry has an image that was pushed or pulled here."""
    listed = run("docker", "image", "inspect", "--format", '{{join .RepoDigests "\\n"}}', tag)
    named = [name.partition("@") for name in listed.splitlines()]
    own = [digest for name, _, digest in named if canonical(name) == canonical(params.deploy.repository)]
    if not own:
        raise ProjectError(f"{tag} is in no registry: `deploy publish` pushes it")
    return f"{params.deploy.repository}@{own[-1]}"


def canonical(name: str) -> str:
    """The name of an image with its registry. Docker shows `docker.io/alice/flights` as `alice/flights`.

    Source: `ParseNormalizedNamed` and `FamiliarName` of github.com/distribution/reference.
    """
    host, slash, path = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = "docker.io", name
    if host == "index.docker.io":
        host = "docker.io"
    return f"{host}/library/{path}" if host == "docker.io" and "/" not in path else f"{host}/{path}"
