"""The champions of main, with what is known of each and where it is live; and a release at GitHub for one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from ..champion.lineage import find_champion, read_json, trained_in
from ..errors import ProjectError
from ..integrations import gh, git
from ..integrations.revisions import Champion, champions, main_branch
from ..render.numbers import format_interval, format_number
from ..report.report import report
from ..settings import paths
from ..settings.operation import Environments
from ..settings.params import Params
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
    promoted, live = champions(main_branch()), where_live(params)
    table = Table("version", "date", "commit", "model", params.gates.primary, "live in")
    for champion in reversed(promoted):
        commit = champion.commit or ""
        date, short = git.git("show", "--no-patch", "--date=short", "--format=%ad %h", commit).split()
        table.add_row(
            str(champion.number),
            date,
            short,
            champion.short,
            primary(params, champion),
            live_in(champion, live, promoted),
        )
    ours = {champion.digest for champion in promoted}
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
        cards = dict(zip(names, at_once.map(lambda name: asked(params, name), names), strict=True))
    digests = {name: str(card.get("digest")) for name, card in cards.items() if card}
    return Live(digests, [name for name, card in cards.items() if not card])


def live_in(champion: Champion, live: Live, promoted: list[Champion]) -> str:
    """The environments that run its model; of champions with the same bytes, the newest is shown."""
    same = [one for one in promoted if one.digest == champion.digest]
    return ", ".join(
        name for name, digest in live.digests.items() if digest == champion.digest and same[-1] == champion
    )


def primary(params: Params, champion: Champion) -> str:
    """Its primary metric on the holdout of its day."""
    measured = read_json(paths.METRICS, trained_in(champion)).get("model", {}).get(params.gates.primary)
    return f"{format_number(measured['value'])} {format_interval(measured)}".rstrip() if measured else "–"


def release(params: Params, version: str, image: str = "") -> str:
    """Have one release at GitHub for a champion: its card, the report, the image. Deployed again, it is the latest."""
    champion, before = find_champion(version)
    with gh.required() as repository:
        tag = f"champion-{champion.number}"
        fields: dict[str, Any] = {"name": f"Champion {champion.number}", "make_latest": "true"}
        existing = [one for one in repository.get("/releases?per_page=100") if one["tag_name"] == tag]
        if existing:
            made = repository.tell("PATCH", f"/releases/{existing[0]['id']}", **fields)
            return f"the latest again: {made['html_url']}"
        text = "\n".join([*facts(params, champion, before, image), "", *card_and_report(champion)])
        fields |= {"tag_name": tag, "body": text[:LONGEST]}
        try:
            made = repository.tell("POST", "/releases", target_commitish=champion.commit, **fields)
        except gh.GitHubError as refused:
            if refused.status != 403:
                raise
            # A job's token makes no tag at an older commit that changed a workflow: then it is at main's last one.
            made = repository.tell("POST", "/releases", **fields)
        return f"released: {made['html_url']}"


def facts(params: Params, champion: Champion, before: Champion | None, image: str) -> list[str]:
    """What identifies a champion, as a table."""
    identity = {
        "model": champion.digest,
        "commit": champion.commit,
        params.gates.primary: primary(params, champion),
        "image": image or "none was published",
        "before": f"champion {before.number}" if before else "none",
    }
    return ["| | |", "|---|---|", *(f"| {name} | `{value}` |" for name, value in identity.items())]


def card_and_report(champion: Champion) -> list[str]:
    """The model card, and folded below it the report on the change that promoted it."""
    card = git.show(champion.commit or "HEAD", paths.MODEL_CARD) or ""
    now, _ = find_champion("champion")
    try:
        if now != champion:
            raise ProjectError(f"it lies in the commit {champion.commit}, and champion {now.number} has come since")
        promotion_report = report(f"{champion.commit}^1")
    except ProjectError as error:
        promotion_report = f"There is none here: {error}"
    return [card, "", "<details><summary>The report that promoted it</summary>", "", promotion_report, "", "</details>"]
