"""Where a champion came from: the chain from data, code and parameters to its metrics, all from git."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..integrations import git
from ..integrations.dvc import load_yaml, read
from ..integrations.revisions import Champion, champions, commit_of_result, main_branch, pipeline_digests, text_digest
from ..render.numbers import format_interval, format_number, format_period
from ..settings import paths
from ..tracking.runs import flat
from ..tracking.store import server_uri


@dataclass(frozen=True)
class Lineage:
    """A champion and what led to it: each link a title and its lines."""

    champion: Champion
    links: dict[str, list[str]]

    def __str__(self) -> str:
        lines = [f"champion {self.champion.number} · {self.champion.digest}"]
        for title, facts in self.links.items():
            lines += [f"{title if number == 0 else '':12}{line}" for number, line in enumerate(facts)]
        return "\n".join(lines)


def lineage(version: str) -> Lineage:
    """The chain of a champion: `version` is its number, `champion`, `previous`, a git revision or a digest.

    Raises ProjectError that lists the known ones when it is none of these.
    """
    champion, before = find_champion(version)
    here, there = trained_in(champion), trained_in(before) if before else None
    links = {
        "promoted": commit_line(champion.commit),
        "trained": commit_line(here),
        "code": code(here, there, before),
        "data": data(here),
        "parameters": parameters(here, there, before),
        "metrics": metrics(here),
        "comparison": comparison(champion),
        "now": [", ".join(places(champion)) or "no longer in use"],
    }
    return Lineage(champion, {title: lines for title, lines in links.items() if lines})


def find_champion(version: str) -> tuple[Champion, Champion | None]:
    """The champion that a version names, and the one before it."""
    promoted = champions()
    position = {"champion": len(promoted) - 1, "previous": len(promoted) - 2}.get(version, -1)
    if position < 0 and version.isdigit() and len(version) < 7:
        position = int(version) - 1
    if position < 0 and len(version) >= 4:
        same = [place for place, champion in enumerate(promoted) if champion.digest.startswith(version)]
        position = same[-1] if same else -1
    if 0 <= position < len(promoted):
        return promoted[position], promoted[position - 1] if position else None
    commit = git.git_or_none("rev-parse", "--verify", "--quiet", f"{version}^{{commit}}")
    of_commit = champions(commit) if commit else []
    if of_commit:
        return of_commit[-1], of_commit[-2] if len(of_commit) > 1 else None
    if not promoted:
        raise ProjectError("there is no champion yet: `promote` makes one")
    listed = ", ".join(f"{champion.number} ({champion.short})" for champion in promoted)
    raise ProjectError(
        f"no champion is known as {version}; known are {listed}, `champion`, `previous`, "
        "and any git revision that has one"
    )


def trained_in(champion: Champion) -> str | None:
    """The commit that holds the result whose model is a champion, None where that is not committed yet."""
    return commit_of_result(champion.digest, champion.commit or "HEAD") or champion.commit


def commit_line(commit: str | None) -> list[str]:
    """A commit with its date, author and subject."""
    if commit is None:
        return ["not committed yet"]
    return [git.git("show", "--no-patch", "--date=short", "--format=%h · %ad · %an · %s", commit)]


def code(here: str | None, there: str | None, before: Champion | None) -> list[str]:
    """The git tree of the package, and how much of it changed since the champion before."""
    tree = git.git_or_none("rev-parse", "--short", f"{here or 'HEAD'}:src")
    lines = [f"src is git tree {tree}" if here else f"src of the working tree ({tree} in the last commit)"]
    if before and there:
        changed = git.git_or_none("diff", "--shortstat", there, *([here] if here else []), "--", "src")
        lines.append(f"{(changed or 'nothing changed').strip()} since champion {before.number}")
    return lines


def data(here: str | None) -> list[str]:
    """The digest of the raw data, its rows and their window, and those that were held out."""
    lines = [f"{paths.RAW} {pipeline_digests(here).get(paths.RAW.as_posix(), 'unknown')}"]
    held = read_json(paths.VALIDATION, here)
    partitions = held.get("partitions", [])
    if partitions:
        window = {"first": partitions[0].get("first"), "last": partitions[-1].get("last")}
        lines.append(f"{held['rows']:,} rows{format_period(window)} in {len(partitions)} partitions")
    measured = read_json(paths.METRICS, here)
    if measured:
        lines.append(f"held out: {measured['rows']:,} rows{format_period(measured['window'])}")
    return lines


def parameters(here: str | None, there: str | None, before: Champion | None) -> list[str]:
    """The digest of the parameters, and each that differs from those of the champion before."""
    text = read(paths.PARAMS, here)
    lines = [f"{paths.PARAMS} {text_digest(text)}"] if text else []
    if before and (there or here is None):
        old, new = flat(load_yaml(paths.PARAMS, there)), flat(load_yaml(paths.PARAMS, here))
        differ = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        lines += [f"{name}: {old.get(name, 'not set')} → {new.get(name, 'not set')}" for name in differ]
        lines += [] if differ else [f"as for champion {before.number}"]
    return lines


def metrics(here: str | None) -> list[str]:
    """Each metric of the model with its interval."""
    measured = read_json(paths.METRICS, here).get("model", {})
    return [
        f"{name} {format_number(value['value'])} {format_interval(value)}".rstrip() for name, value in measured.items()
    ]


def comparison(champion: Champion) -> list[str]:
    """The verdict that promoted it, and why."""
    record = read_json(paths.COMPARISON, champion.commit)
    if record.get("challenger") != champion.digest:
        return [f"none recorded: {paths.CHAMPION_POINTER} was set by hand or by a revert"]
    opponent = f"champion {record['champion'][:8]}" if record["champion"] else "the trivial baseline"
    forced = [f"forced: {record['forced']['why']}"] if record.get("forced") else []
    return [f"{record['verdict']}, against {opponent}", *record["reasons"], *forced]


def places(champion: Champion) -> list[str]:
    """Where it is champion now, and the alias that the embedded registry has for it; a server's is production's."""
    main = main_branch()
    of_main, here = champions(main), champions()
    lines = [f"champion of {main}"] if main != "HEAD" and is_last(champion, of_main, 1) else []
    if is_last(champion, here, 1):
        lines += ["champion of the working tree" if here[-1].commit is None else "champion of HEAD"]
        lines += [] if server_uri() else ["alias `champion` in MLflow"]
    elif is_last(champion, here, 2):
        lines += [] if server_uri() else ["alias `previous` in MLflow"]
    return lines


def is_last(champion: Champion, promoted: list[Champion], place: int) -> bool:
    """Whether it is the one at that place from the end."""
    if len(promoted) < place:
        return False
    return (promoted[-place].digest, promoted[-place].commit) == (champion.digest, champion.commit)


def read_json(path: Path, commit: str | None) -> dict[str, Any]:
    """A JSON file of a commit or the working tree, empty where there is none."""
    content: dict[str, Any] = json.loads(read(path, commit) or "{}")
    return content
