"""The champions of main, with what is known of each and where it is live; and a release at GitHub for one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from .. import paths
from ..ops import gh, git
from ..ops.figures import ends, figure
from ..ops.lineage import find_champion, read_json, trained_in
from ..ops.revisions import Champion, champions, main_branch
from ..params import Environments, Params
from .rollout import asked

LONGEST = 110_000
"""Characters of the text of a release, which holds 125,000."""


@dataclass(frozen=True)
class Live:
    """What the environments say of themselves: the digest of the model that each runs, or that it is silent."""

    digests: dict[str, str]
    silent: list[str]


def releases(params: Params) -> tuple[Table, list[str]]:
    """The table, the newest champion first, and lines on what does not show in it."""
    known, live = champions(main_branch()), where_live(params)
    table = Table("version", "date", "commit", "model", params.gates.primary, "image", "live in")
    for champion in reversed(known):
        commit = champion.commit or ""
        date, short = git.git("show", "--no-patch", "--date=short", "--format=%ad %h", commit).split()
        image = f":{commit[:12]}…" if params.deploy.image else "–"
        table.add_row(
            str(champion.number),
            date,
            short,
            champion.short,
            primary(params, champion),
            image,
            live_in(champion, live, known),
        )
    ours = {champion.digest for champion in known}
    strange = [
        f"{name} runs {digest[:8]}, no champion of main" for name, digest in live.digests.items() if digest not in ours
    ]
    silent = [f"{name} does not answer" for name in live.silent]
    images = [f"images: {params.deploy.image}:COMMIT"] if params.deploy.image else []
    return table, [*strange, *silent, *images]


def where_live(params: Params) -> Live:
    """Ask all environments that have an address at once."""
    names = [name for name in Environments.model_fields if params.deploy.environment(name).url]
    with ThreadPoolExecutor(max(len(names), 1)) as at_once:
        said = dict(zip(names, at_once.map(lambda name: asked(params, name), names), strict=True))
    digests = {name: str(found.get("digest")) for name, found in said.items() if found}
    return Live(digests, [name for name, found in said.items() if not found])


def live_in(champion: Champion, live: Live, known: list[Champion]) -> str:
    """The environments that run its model; of champions with the same bytes, the newest is shown."""
    same = [one for one in known if one.digest == champion.digest]
    return ", ".join(
        name for name, digest in live.digests.items() if digest == champion.digest and same[-1] == champion
    )


def primary(params: Params, champion: Champion) -> str:
    """Its primary metric on the holdout of its day."""
    measured = read_json(paths.METRICS, trained_in(champion)).get("model", {}).get(params.gates.primary)
    return f"{figure(measured['value'])} {ends(measured)}".rstrip() if measured else "–"


def release(params: Params, version: str, report: Path | None, image: str = "") -> str:
    """Have one release at GitHub for a champion: its card, the report, the image."""
    champion, before = find_champion(version)
    with gh.required() as repository:
        tag = f"champion-{champion.number}"
        fields: dict[str, Any] = {
            "name": f"Champion {champion.number}",
            "body": text(params, champion, before, report, image)[:LONGEST],
            "make_latest": "true",
        }
        known = [one for one in repository.get("/releases?per_page=100") if one["tag_name"] == tag]
        if known:
            made = repository.tell("PATCH", f"/releases/{known[0]['id']}", **fields)
        else:
            fields |= {"tag_name": tag, "target_commitish": champion.commit}
            made = repository.tell("POST", "/releases", **fields)
    return f"{'brought up to date' if known else 'released'}: {made['html_url']}"


def text(params: Params, champion: Champion, before: Champion | None, report: Path | None, image: str) -> str:
    """The text of a release."""
    facts = {
        "model": champion.digest,
        "commit": champion.commit,
        params.gates.primary: primary(params, champion),
        "image": image or "none was published",
        "before": f"champion {before.number}" if before else "none",
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | `{value}` |" for name, value in facts.items()), ""]
    card = git.show(champion.commit or "HEAD", paths.MODEL_CARD)
    lines += [card or "", ""]
    if report and report.is_file():
        lines += [
            "<details><summary>The report that promoted it</summary>",
            "",
            report.read_text(encoding="utf-8"),
            "",
            "</details>",
        ]
    return "\n".join(lines)
