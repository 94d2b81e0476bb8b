"""The image that was built here, run once as production runs it, and verified before anybody else sees it."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ProjectError
from ..integrations.process import run
from ..settings.params import Params
from .push import built_image
from .verify import verify

PORT = 8000
"""That the service listens on in its container."""
AS_IN_PRODUCTION = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def trial(params: Params, version: str, wait: float = 60) -> str:
    """Verify the image of the checked-out commit. Raises ProjectError with all that is wrong."""
    image = built_image(params)
    with container(image) as (name, url):
        try:
            said = verify(params, url, version, wait)
        except ProjectError as fault:
            raise ProjectError(f"{fault}. The container's last words: {last_words(name)}") from None
    return f"{image}: {said}"


@contextmanager
def container(image: str) -> Iterator[tuple[str, str]]:
    """A container of the image while the context lasts: its id, and where it answers on this machine."""
    started = run("docker", "run", "--detach", "--publish", f"127.0.0.1::{PORT}", *AS_IN_PRODUCTION, image)
    try:
        yield started, f"http://{address(started)}"
    finally:
        run("docker", "rm", "--force", "--volumes", started)


def address(container: str) -> str:
    """Where the port is found. Raises ProjectError where the container has ended already."""
    status = run("docker", "container", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", container)
    if not status.startswith("running"):
        raise ProjectError(f"the container ended at once ({status}): {last_words(container)}")
    return run("docker", "port", container, str(PORT)).splitlines()[0]


def last_words(container: str) -> str:
    """The end of what it wrote, on one line."""
    output = run("docker", "logs", "--tail", "5", container, both=True)
    return " / ".join(line.strip() for line in output.splitlines() if line.strip())[-600:] or "none"
