"""Where the project stands: data, champion, challenger, and what is out of date."""

import json

from ..errors import ProjectError
from ..evaluation.comparison import load_comparison
from ..integrations import dvc, git
from ..integrations.revisions import champions
from ..render.numbers import format_period
from ..settings import paths
from ..settings.params import load_params
from ..training.card import load_card
from .level import level
from .preflight import refuse_unknown_names


def status() -> str:
    """One line each, from the files of the working tree and its git history."""
    lines = {"data": data(), "champion": champion(), "challenger": challenger(), "out of date": out_of_date()}
    try:
        params = load_params()
        lines["level"] = level(params)
        refuse_unknown_names(params)
    except ProjectError as error:
        lines["settings"] = str(error)
    return "\n".join(f"{name:<12} {line}" for name, line in lines.items())


def data() -> str:
    """What was last validated."""
    if not paths.RAW_POINTER.exists():
        return "none yet: `setup` fetches the sample, `adopt` takes your own"
    if not paths.VALIDATION.exists():
        return "taken in, not validated yet: `run`"
    report = json.loads(paths.VALIDATION.read_text(encoding="utf-8"))
    partitions = report["partitions"]
    window = {"first": partitions[0]["first"], "last": partitions[-1]["last"]}
    many = "" if len(partitions) == 1 else "s"
    return f"{report['rows']:,} rows in {len(partitions)} partition{many}{format_period(window)}"


def champion() -> str:
    """The model that main runs, or would after the next commit."""
    promoted = champions()
    if not promoted:
        return "none yet: `run`, then `promote`"
    last = promoted[-1]
    since = git.git("log", "-1", "--format=%as in %h", last.commit) if last.commit else "not committed yet"
    return f"version {last.number} ({last.short}), {since}"


def challenger() -> str:
    """What the pipeline trained last, and what the comparison said of it."""
    digest = dvc.output_digest(paths.CHALLENGER)
    if digest is None:
        return "none yet: `run` trains one"
    if digest == dvc.output_digest(paths.CHAMPION_POINTER):
        return f"the champion ({digest[:8]})"
    comparison = load_comparison()
    if comparison is None or comparison.challenger != digest:
        return f"{digest[:8]}, not compared yet: `compare`"
    name = (
        load_card(paths.CHALLENGER)["estimator"].rpartition(".")[2] if paths.CHALLENGER.exists() else "not here: `pull`"
    )
    primary = load_params().gates.primary
    pair = comparison.metrics.get(primary)
    return f"{digest[:8]}, {name}, verdict {comparison.verdict}" + (f", {primary} {pair.difference}" if pair else "")


def out_of_date() -> str:
    """The stages and data that `run` or `ingest` would touch, or that `pull` would bring."""
    pipeline = dvc.status()
    names = ", ".join(pipeline.names) or "nothing"
    if pipeline.files_only:
        return f"nothing, but files of another commit lie here ({names}): `pull` brings those of this one"
    return names
