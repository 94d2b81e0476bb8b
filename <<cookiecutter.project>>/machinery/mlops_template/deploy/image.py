"""The image of the champion: its package, the service and the locked libraries, labelled with where it is from."""

import re
import shutil
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..integrations import git
from ..integrations.process import lines_of_json, run, watch
from ..serving.files import CARD_FILE, RELEASE_FILE, SERVING_FILE, read
from ..settings import paths
from ..settings.params import Params
from ..settings.project import load_project
from .push import MODEL_LABEL, REVISION_LABEL, built_image

REQUIREMENTS = paths.PACKAGE.with_name("requirements.txt")
"""The libraries of the image, each with the digests that `uv.lock` has."""
SERVICE = paths.PACKAGE.with_name("service")
"""The code of the service, which is that of the machinery, wherever that was installed from."""
PARTS = ("__init__.py", "errors.py", "prediction_log", "serving")
"""Of the machinery: all that the service imports."""
MB = 1_000_000


def build(params: Params, tag: str = "", base: str = "") -> str:
    """Build the image from the package; its tag is that which `deploy publish` pushes if not given. Returns what it is.

    `base` takes the place of the image that the Dockerfile starts from, such as that one with a digest. Raises
    ProjectError when there is no package, or when uv or Docker fails.
    """
    release, runtime = read(paths.PACKAGE / RELEASE_FILE), read(paths.PACKAGE / SERVING_FILE)["runtime"]
    tag = tag or built_image(params)
    copy_service()
    card = read(paths.PACKAGE / CARD_FILE)
    lock_requirements(group_of(runtime, card))
    if runtime == "sklearn":
        refuse_missing(card["versions"], REQUIREMENTS.read_text(encoding="utf-8"))
    options = ["--tag", tag]
    if base:
        options += ["--build-arg", f"BASE={base}"]
    for name, value in labels(release, runtime).items():
        options += ["--label", f"{name}={value}"]
    # BuildKit then dates the image as the commit, and adds no record of this very build.
    when = git.git("show", "--no-patch", "--format=%ct", "HEAD")
    watch("docker", "build", *options, ".", SOURCE_DATE_EPOCH=when, BUILDX_NO_DEFAULT_ATTESTATIONS="1")
    size = int(run("docker", "image", "inspect", "--format", "{{.Size}}", tag))
    named = ", ".join(f"{name} {part / MB:.1f}" for name, part in layers(tag).items())
    summary = f"{tag}: champion {release['version']}, served by {runtime}, {size / MB:.1f} MB"
    return f"{summary} ({named})" if named else summary


def copy_service() -> None:
    """Copy the code of the service to where the Dockerfile takes it from."""
    machinery = Path(__file__).resolve().parents[1]
    shutil.rmtree(SERVICE, ignore_errors=True)
    folder = SERVICE / machinery.name
    folder.mkdir(parents=True)
    for part in PARTS:
        if (machinery / part).is_dir():
            shutil.copytree(machinery / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(machinery / part, folder / part)


def group_of(runtime: str, card: dict[str, Any]) -> str:
    """The dependency group of the image's libraries: derived inputs need pandas, and what features.py imports."""
    if runtime == "sklearn":
        return "serving-sklearn"
    return "serving-features" if card["derived"] else "serving"


def layers(tag: str) -> dict[str, int]:
    """The bytes of each layer, by the stage of the Dockerfile that it is copied from, lowest first.

    Empty where the Dockerfile was changed so that they do not match.
    """
    stages = re.findall(r"^COPY --from=(\w+)", Path("Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    history = lines_of_json(run("docker", "history", "--no-trunc", "--human=false", "--format", "{{json .}}", tag))
    sizes = [int(step["Size"]) for step in reversed(history) if re.search(r"\bCOPY ", step["CreatedBy"])]
    return dict(zip(stages, sizes, strict=True)) if len(stages) == len(sizes) else {}


def lock_requirements(group: str) -> None:
    """Write down what `uv.lock` has for a dependency group. Raises ProjectError where the lock is out of date."""
    options = ("--locked", "--only-group", group, "--no-emit-workspace", "--no-annotate", "--no-header", "--quiet")
    watch("uv", "export", *options, "--emit-index-url", "--output-file", str(REQUIREMENTS))


def refuse_missing(versions: dict[str, str], requirements: str) -> None:
    """Raise ProjectError where a library that the pipeline was trained with would not be in the image."""
    held = {name.lower() for name in re.findall(r"^([\w.-]+)==", requirements, re.MULTILINE)}
    missing = [name for name in versions if name != "python" and re.sub(r"[-_.]+", "-", name).lower() not in held]
    if missing:
        raise ProjectError(
            f"the image would lack {', '.join(missing)}, which the pipeline was trained with: "
            f"`uv add --group serving-sklearn {' '.join(missing)}`"
        )


def labels(release: dict[str, Any], runtime: str) -> dict[str, str]:
    """Where the image is from, in the words of the Open Container Initiative where it has any.

    The commit determines all of them, or building it again would give another image.
    """
    project = load_project()
    standard = {
        "title": project.name,
        "description": project.description,
        "authors": project.author,
        "source": f"https://github.com/{project.repository}",
        "created": git.git("show", "--no-patch", "--format=%cI", "HEAD"),
        "version": release["version"],
    }
    own = {
        REVISION_LABEL: f"{git.head()}{' and more' if git.is_dirty() else ''}",
        "model.commit": release["commit"] or "",
        MODEL_LABEL: release["digest"],
        "model.runtime": runtime,
        "data.first": release["window"]["first"],
        "data.last": release["window"]["last"],
    }
    return {f"org.opencontainers.image.{name}": str(value) for name, value in standard.items()} | own
