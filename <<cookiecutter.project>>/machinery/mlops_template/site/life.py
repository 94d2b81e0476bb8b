"""What became of the project so far: its champions from git, what went wrong from GitHub, production from the log."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from pydantic import ValidationError

from ..champion.lineage import Lineage, lineage, read_json, trained_in
from ..errors import ProjectError
from ..evaluation.comparison import Comparison, parse_comparison
from ..integrations import gh, git
from ..integrations.checks import CheckSkipped
from ..integrations.dvc import read
from ..integrations.issues import told
from ..integrations.revisions import Champion, champions
from ..monitor.monitoring import Monitoring, Value
from ..settings import paths
from ..settings.params import Params
from ..settings.project import load_project


@dataclass(frozen=True)
class ChampionChange:
    """A change of what is champion."""

    champion: Champion
    at: datetime
    author: str
    subject: str
    measured: Value | None
    """The primary metric on the rows held out from it."""
    returned: int | None
    """The number of the champion with the same model before, where this one is no new model."""
    comparison: Comparison | None
    """The one that promoted it; None where it became champion by hand or by a revert."""
    lineage: Lineage
    card: str
    """The model card, as Markdown; empty where there was none."""

    @property
    def how(self) -> str:
        """In a word."""
        if self.returned is not None:
            return f"champion {self.returned} again"
        if self.comparison is None:
            return "by hand"
        return "promoted, forced" if self.comparison.forced else "promoted"


@dataclass(frozen=True)
class Incident:
    """Something that went wrong, as its issue at GitHub tells it."""

    key: str
    title: str
    address: str
    begin: datetime
    end: datetime | None
    """None while it lasts."""

    @property
    def of_data(self) -> bool:
        """Whether fresh data could not be taken in."""
        return self.key == "feed"


@dataclass(frozen=True)
class Life:
    """All of it."""

    project: str
    params: Params
    promotions: list[ChampionChange]
    """The oldest first."""
    alerts: list[Incident]
    """The oldest first."""
    monitoring: Monitoring | None
    backtest: str
    """The page of the last one, empty where none is kept."""
    notes: list[str] = field(default_factory=list)
    """What the site does not show, and why."""

    @property
    def metric(self) -> str:
        """The primary one."""
        return self.params.gates.primary

    @property
    def open(self) -> list[Incident]:
        """What is wrong now."""
        return [alert for alert in self.alerts if alert.end is None]


NO_LOG = "no log of predictions was named (`--log`, `PREDICTIONS`)"


def gather(params: Params, monitoring: Monitoring | None, why_not: str = "") -> Life:
    """All that is known; `why_not` says why nothing is of production. Raises ProjectError without a champion."""
    promoted = [champion for champion in champions() if champion.commit]
    if not promoted:
        raise ProjectError("there is no champion in git yet: `promote` makes one, `git commit` keeps it")
    notes = [] if monitoring else [f"Production is not shown: {why_not or NO_LOG}."]
    try:
        alerts = [alert_of(key, issue) for key, issue in told(gh.at_origin(), "all")]
    except CheckSkipped as reason:
        alerts = []
        notes.append(f"Alerts and refused data are not shown, since GitHub cannot be asked: {reason}.")
    backtest = paths.BACKTEST_PAGE
    return Life(
        project=load_project().name,
        params=params,
        promotions=in_order([promotion(params, champion, promoted[:place]) for place, champion in enumerate(promoted)]),
        alerts=alerts,
        monitoring=monitoring,
        backtest=backtest.read_text(encoding="utf-8") if backtest.is_file() else "",
        notes=notes,
    )


def in_order(promotions: list[ChampionChange]) -> list[ChampionChange]:
    """None before the one that it followed, whatever the clock of a committer said."""
    latest = accumulate((one.at for one in promotions), max)
    return [replace(one, at=moment) for one, moment in zip(promotions, latest, strict=True)]


def promotion(params: Params, champion: Champion, before: list[Champion]) -> ChampionChange:
    """What git says of a champion."""
    commit = champion.commit or "HEAD"
    moment, author, subject = git.git("show", "--no-patch", "--format=%cI%n%an%n%s", commit).split("\n", 2)
    measured = read_json(paths.METRICS, trained_in(champion)).get("model", {}).get(params.gates.primary)
    same = [one.number for one in before if one.digest == champion.digest]
    return ChampionChange(
        champion=champion,
        at=datetime.fromisoformat(moment).astimezone(UTC),
        author=author,
        subject=subject,
        measured=Value(measured["value"], measured["low"], measured["high"]) if measured else None,
        returned=same[0] if same else None,
        comparison=comparison_of(champion),
        lineage=lineage(str(champion.number)),
        card=read(paths.MODEL_CARD, commit) or "",
    )


def comparison_of(champion: Champion) -> Comparison | None:
    """The record that lies with a champion, if it is about that one and of this version's form."""
    try:
        record = parse_comparison(read(paths.COMPARISON, champion.commit) or "null")
    except ValidationError:
        return None
    return record if record.challenger == champion.digest else None


def alert_of(key: str, issue: dict[str, Any]) -> Incident:
    """An issue of GitHub's API."""
    begin, end = issue["created_at"], issue["closed_at"]
    return Incident(
        key=key,
        title=issue["title"],
        address=issue["html_url"],
        begin=datetime.fromisoformat(begin),
        end=datetime.fromisoformat(end) if end else None,
    )
