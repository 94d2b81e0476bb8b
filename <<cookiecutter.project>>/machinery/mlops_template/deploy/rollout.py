"""One environment: roll out, verify, and where that fails, take back and verify what was there before."""

from typing import Any, Protocol
from urllib.parse import urlsplit

from ..champion.lineage import find_champion
from ..errors import ProjectError
from ..integrations import actions, git
from ..integrations.revisions import Champion, champions
from ..settings.params import Params
from .client import NoResponse, ServiceClient
from .kubernetes import Kubernetes
from .push import published
from .swarm import Swarm
from .verify import verify


class Engine(Protocol):
    """What runs the images of an environment."""

    def running(self) -> str | None:
        """The image that is rolled out there, None where there is none."""

    def previous(self) -> str | None:
        """The image before that one, None where none is known."""

    def apply(self, image: str) -> None:
        """Roll an image out and wait until all of it runs. Raises ProjectError when it does not."""


def engine(params: Params, name: str) -> Engine | None:
    """The engine of an environment, None where it has no server."""
    environment = params.deploy.environment(name)
    if environment.server is None or params.deploy.target == "image":
        return None
    if params.deploy.target == "swarm":
        return Swarm(name, environment.server, port_of(environment.url or ""))
    return Kubernetes(name, environment.server)


def why_no_engine(params: Params, name: str) -> str:
    """The setting for which an environment has none."""
    if params.deploy.target == "image":
        return "deploy.target in params.yaml is image"
    return f"deploy.environments.{name}.server in params.yaml names no server"


def rollout(params: Params, name: str, version: str, image: str | None = None, unless_newer: bool = False) -> str:
    """Bring a champion to an environment. `image` is the published one of the champion if not given.

    With `unless_newer` it is passed over where main at origin has another champion by now, whose own run follows.
    Returns a line on what was done. Raises ProjectError when the champion does not do well there; then what was
    there before answers again, as far as it can.
    """
    there = engine(params, name)
    if there is None:
        return f"{name}: passed over, since {why_no_engine(params, name)}"
    champion, _ = find_champion(version)
    newer = newest_at_origin() if unless_newer else None
    if newer and newer.digest != champion.digest:
        actions.output("superseded", "true")
        return f"{name}: passed over, since main has champion {newer.number} by now, which has a run of its own"
    return bring(params, name, there, champion, image or published(params, champion))


def rollback(params: Params, name: str) -> str:
    """Bring the image back that an environment ran before the one it runs; where that fails, the latter stays."""
    there = engine(params, name)
    if there is None:
        raise ProjectError(f"{name} runs nothing, since {why_no_engine(params, name)}")
    earlier = there.previous()
    if earlier is None:
        raise ProjectError(
            f"{name} knows no earlier image: `deploy rollout {name} --version 1` brings the champion of that number "
            "(`releases` lists them)"
        )
    return bring(params, name, there, None, earlier)


def bring(params: Params, name: str, there: Engine, champion: Champion | None, image: str) -> str:
    """Roll out and verify, else take back. Which champion the image holds is asked of it where that is not known."""
    before, was = there.running(), runs_now(params, name)
    label = f"champion {champion.number}" if champion else "the image of before"
    print(f"{name}: rolling out {label} ({image})", flush=True)
    try:
        there.apply(image)
        running = champion or runs_now(params, name)
        if running is None:
            raise ProjectError("it does not say which champion it is")
        return f"{name}: {verify(params, url_of(params, name), str(running.number))}"
    except Exception as fault:  # whatever it is: what is not verified must not stay
        failure = f"{name}: {label} failed: {fault if isinstance(fault, ProjectError) else repr(fault)}"
    print(failure, flush=True)
    if before is None:
        raise ProjectError(f"{failure}. Nothing ran there before, so it was left for you to look at")
    raise ProjectError(f"{failure}. {taken_back(params, name, there, before, was)}")


def taken_back(params: Params, name: str, there: Engine, before: str, was: Champion | None) -> str:
    """Bring back what was there; how that went."""
    label = f"champion {was.number}" if was else before
    try:
        if there.running() != before:
            print(f"{name}: bringing {label} back", flush=True)
            there.apply(before)
        if was is None:
            return f"{label} is back, and is not verified: it did not say before which champion it is"
        return f"{label} is back: {verify(params, url_of(params, name), str(was.number))}"
    except ProjectError as fault:
        return f"{label} is not back either: {fault}"


def runs_now(params: Params, name: str) -> Champion | None:
    """The champion that an environment says it runs, None where it does not say, or one that main does not know."""
    card = asked(params, name)
    matching = [champion for champion in champions() if champion.digest == (card or {}).get("digest")]
    return matching[-1] if matching else None


def asked(params: Params, name: str) -> dict[str, Any] | None:
    """What an environment says of its model, None where it does not answer."""
    url = params.deploy.environment(name).url
    if url is None:
        return None
    service = ServiceClient(url.rstrip("/"), seconds=5)
    try:
        said = service.get("/model")
    except NoResponse:
        return None
    finally:
        service.close()
    return said if isinstance(said, dict) else None


def url_of(params: Params, name: str) -> str:
    """Where an environment answers."""
    url = params.deploy.environment(name).url
    if url is None:
        raise ProjectError(f"deploy.environments.{name}.url in params.yaml is not set")
    return url


def port_of(url: str) -> int:
    """The port of the servers that an address leads to: its own; behind whatever speaks HTTPS it is 8080."""
    parts = urlsplit(url)
    return parts.port or (80 if parts.scheme == "http" else 8080)


def newest_at_origin() -> Champion | None:
    """The champion of main as it is at origin now; None outside jobs, where the working tree is what is meant."""
    if not actions.running():
        return None
    git.git("fetch", "--quiet", "--no-tags", "origin", "refs/heads/main")
    promoted = champions("FETCH_HEAD")
    return promoted[-1] if promoted else None
