"""An image is found in its registry by whatever name Docker shows for it."""

import pytest
from mlops_template.deploy import push
from mlops_template.errors import ProjectError
from mlops_template.settings.operation import Deploy


class Settings:
    """As much of the parameters as is asked for."""

    def __init__(self, image: str) -> None:
        self.deploy = Deploy(image=image)


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        ("ghcr.io/ada/flights", "ghcr.io/ada/flights"),
        ("docker.io/ada/flights", "ada/flights"),
        ("index.docker.io/ada/flights", "ada/flights"),
        ("docker.io/flights", "flights"),
        ("localhost:5000/flights", "localhost:5000/flights"),
    ],
)
def test_the_digest_is_found_under_the_name_that_docker_shows(
    image: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = f"mirror.example.com/{shown}@sha256:0\n{shown}@sha256:1\n"
    monkeypatch.setattr(push, "run", lambda *command: listed)
    assert push.with_digest(Settings(image), "tag") == f"{image}@sha256:1"  # type: ignore[arg-type]


def test_an_image_of_another_owner_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "run", lambda *command: "eve/flights@sha256:1\nghcr.io/ada/flights@sha256:2\n")
    with pytest.raises(ProjectError, match="is in no registry"):
        push.with_digest(Settings("docker.io/ada/flights"), "tag")  # type: ignore[arg-type]
