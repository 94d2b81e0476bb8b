"""The ML Test Score: 28 things that keep a model from failing in production, and what the project can show for each.

Breck, Cai, Nielsen, Salib, Sculley: The ML Test Score, IEEE Big Data 2017. What is checked by machine, again and again,
counts one point, what a person has looked at half a point; the score is that of the weakest of four groups.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..errors import ProjectError
from ..evaluation.comparison import Difference
from ..evaluation.doubts import LINEAR_MODELS
from ..settings import paths
from ..settings.params import describe
from .proof import Evidence, Missing

ANSWERS = Path("checklist.yaml")
"""What people have looked at."""

IMAGE = paths.REPORTS / "ml-test-score.svg"
"""The score, as the README shows it."""

VALID = timedelta(days=180)
"""How long an answer counts."""

BADGE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="142" height="20" role="img" aria-label="ML Test Score: {value}">
<title>ML Test Score: {value} of 7</title>
<rect width="104" height="20" fill="#444"/><rect x="104" width="38" height="20" fill="{colour}"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="52" y="14">ML Test Score</text><text x="123" y="14">{value}</text></g></svg>
"""

GROUPS = {"data": "data", "model": "model", "infra": "infrastructure", "monitor": "monitoring"}
"""By what the names of their criteria begin with."""


@dataclass(frozen=True)
class Criterion:
    """One of the 28."""

    name: str
    """Begins with its group: see `GROUPS`."""
    what: str
    """What should be so."""
    look: Callable[[Evidence], str] | None
    """What the project shows; None where only a person can tell."""

    @property
    def group(self) -> str:
        """The name of its group."""
        return GROUPS[self.name.partition("-")[0]]


@dataclass(frozen=True)
class Line:
    """A criterion, with what was found."""

    criterion: Criterion
    points: float
    shown: str
    """The evidence, or what is missing."""


class Answer(BaseModel):
    """What a person says of a criterion."""

    model_config = ConfigDict(extra="forbid")

    how: str
    by: str
    on: date


def contract_of_all(project: Evidence) -> str:
    """The training holds all rows against it."""
    where = project.runs("train.yml", "train")
    project.report(paths.VALIDATION)
    rules = f"{paths.CONTRACT} has rules for {len(project.contract.columns)} columns"
    return f"{rules}, and {where} holds all rows against them ({paths.VALIDATION.as_posix()})"


def benefit(project: Evidence) -> str:
    """Of the model that was trained last."""
    where = project.runs("train.yml", "train")
    losses = project.report(paths.IMPORTANCE)
    useless = sorted(name for name, loss in losses.items() if (loss["value"] or 0) <= 0)
    told = f"{where} measures what is lost without each of {len(losses)} columns ({paths.IMPORTANCE.as_posix()})"
    return f"{told}; nothing without {', '.join(useless)}" if useless else told


def privacy(project: Evidence) -> str:
    """Of what production keeps."""
    settings = project.params.predictions
    if settings.keep is None:
        raise Missing("predictions.keep is null: predictions, with what they were made from, are kept for ever")
    hidden = f", never stored: {', '.join(settings.leave_out)}" if settings.leave_out else ""
    return f"the log of predictions deletes rows after {settings.keep}{hidden}; `forget` deletes those of one id"


def quick_features(project: Evidence) -> str:
    """From an edit to its difference."""
    train, compare = project.runs("train.yml", "train"), project.runs("evaluate.yml", "compare")
    return f"each pull request is trained and compared: {train}, {compare}"


def reviewed(project: Evidence) -> str:
    """By the rules of the branch."""
    ruleset = Path(".github/rulesets/main.json")
    asked = [one.get("parameters", {}) for one in project.report(ruleset)["rules"] if one["type"] == "pull_request"]
    reviews = max((one.get("required_approving_review_count", 0) for one in asked), default=0)
    if reviews < 1:
        raise Missing(f"{ruleset.as_posix()} has no rule `pull_request` with a required approval: see docs/github.md")
    return f"{ruleset.as_posix()} asks for {reviews} approval{'s' if reviews > 1 else ''}"


def tuned(project: Evidence) -> str:
    """By the search of each training."""
    candidates = project.params.model.candidates
    if not any(one.ranges for one in candidates):
        raise Missing("no candidate has `ranges` to search: `model.candidates` in params.yaml has an example")
    searched = sorted(name for one in candidates for name in one.ranges)
    return f"{project.runs('train.yml', 'train')} searches {', '.join(searched)}"


def stale(project: Evidence) -> str:
    """By older models on the same rows."""
    where, found = project.runs("train.yml", "train"), project.report(paths.ALTERNATIVES)["older"]
    known = [one for one in found if one["difference"]["value"] is not None]
    if not known:
        raise Missing("no older model is measured: `evaluate.ages` in params.yaml, as far as the rows go back")
    primary = project.params.gates.primary
    told = ", ".join(f"{one['age']} {Difference(**one['difference'])}" for one in known)
    return f"{where} scores older models beside the newest one ({primary} by age: {told})"


def simpler(project: Evidence) -> str:
    """The trivial baseline is beaten, and a linear model is not better."""
    where, gates = project.runs("evaluate.yml", "compare"), project.report(paths.COMPARISON)["gates"]
    if not any(gate["gate"] == "baseline" and gate["passed"] for gate in gates):
        raise Missing(f"{paths.COMPARISON.as_posix()}: the model did not beat the trivial baseline")
    beaten = f"the trivial baseline has to be beaten beyond noise ({where})"
    found = project.report(paths.ALTERNATIVES)
    if found["estimator"].startswith(LINEAR_MODELS):
        return f"{beaten}; the model is a linear one"
    linear, trained = found["linear"], project.runs("train.yml", "train")
    if linear is None:
        raise Missing(f"{paths.ALTERNATIVES.as_posix()}: no linear model was measured beside it, `run` says why")
    if linear["better"]:
        raise Missing(f"{paths.ALTERNATIVES.as_posix()}: {linear['estimator']} is better: take it as a candidate")
    primary, delta = project.params.gates.primary, Difference(**linear["difference"])
    return f"{beaten}; {trained} measures a linear model beside it ({primary} {delta})"


def sliced(project: Evidence) -> str:
    """By the slices of params.yaml."""
    where, found = project.runs("evaluate.yml", "compare"), project.report(paths.SLICES)
    if not found:
        raise Missing("no slice is measured: set evaluate.slices in params.yaml")
    return f"{where} compares {sum(map(len, found.values()))} slices of {', '.join(found)}"


def inclusive(project: Evidence) -> str:
    """By the groups that the owner named."""
    groups, gates = project.params.gates.groups, project.report(paths.COMPARISON)["gates"]
    if not groups:
        raise Missing("no group of people is named: set gates.groups in params.yaml")
    where = project.runs("evaluate.yml", "compare")
    if not any(gate["gate"] == "groups" and gate["passed"] for gate in gates):
        raise Missing(f"{paths.COMPARISON.as_posix()}: the gate `groups` is not passed")
    margin = f"{project.params.gates.group_margin:g}"
    return f"{where} stops a model that is worse for one group by {', '.join(groups)} than for all, by {margin}"


def integrated(project: Evidence) -> str:
    """The whole of it."""
    where = project.runs("train.yml", "train"), project.runs("evaluate.yml", "compare")
    return f"each pull request runs the pipeline from data to verdict: {', '.join(where)}"


def validated(project: Evidence) -> str:
    """By the gates, which are tested themselves."""
    where, tested = project.runs("evaluate.yml", "compare"), project.test("test_gates.py")
    return f"{where} holds every change against the gates, which are tested themselves ({tested})"


def canaried(project: Evidence) -> str:
    """Before anyone is served."""
    where = project.runs("deploy.yml", "deploy try")
    return f"{where} asks the image the golden rows, under load, before it is published"


def rolled_back(project: Evidence) -> str:
    """By its number."""
    return f"{project.asks('deploy.yml', 'version')} takes the number of an earlier champion"


def dependencies(project: Evidence) -> str:
    """Each a pull request."""
    if not Path(".github/dependabot.yml").is_file():
        raise Missing(".github/dependabot.yml is not there")
    return f"Dependabot proposes newer libraries, and {project.runs('evaluate.yml', 'compare')} says what they change"


def inputs_hold(project: Evidence) -> str:
    """At both doors."""
    test = project.test("test_service.py", "test_a_column_that_it_does_not_know")
    where = project.scheduled("retrain.yml", "ingest")
    return f"{where} refuses a batch that breaks the contract, the service a request that does ({test})"


def no_skew(project: Evidence) -> str:
    """By the same rows through both."""
    parity = project.report(paths.SERVING)["parity"]
    test = project.test("test_service.py", "test_it_predicts_as_the_pipeline_does")
    if parity is None:
        return f"what was trained is what serves, unconverted; {test}"
    return f"each training predicts the held-out rows as the service does, {parity['rows']:,} the last time; {test}"


def fresh(project: Evidence) -> str:
    """By a watchdog over the retraining."""
    oldest = project.params.retrain.triggers.age
    if oldest is None:
        raise Missing("retrain.triggers.age is null: no age is too great")
    where = project.scheduled("monitor.yml", "ci retraining watch")
    return f"{where} opens an issue where retraining stopped; rows older than {oldest} are a reason to retrain"


def tested(file: str, name: str = "test_") -> Callable[[Evidence], str]:
    """By a test of the project, or all of a file."""
    return lambda project: project.test(file, name)


def fast(project: Evidence) -> str:
    """By a gate and by the rehearsal of each deployment."""
    where = project.runs("evaluate.yml", "compare"), project.runs("deploy.yml", "deploy try")
    limit, p95 = project.params.gates.max_latency_ms, project.params.deploy.verify.max_p95_ms
    return f"a gate of {limit:g} ms for one row ({where[0]}), {p95:g} ms at the 95th percentile under load ({where[1]})"


CRITERIA = [
    Criterion("data-schema", "what is expected of features stands in a schema", contract_of_all),
    Criterion("data-benefit", "all features are beneficial", benefit),
    Criterion("data-cost", "no feature costs too much", None),
    Criterion("data-policy", "features adhere to the rules of the organisation", None),
    Criterion("data-privacy", "the pipeline has privacy controls", privacy),
    Criterion("data-lead-time", "new features can be added quickly", quick_features),
    Criterion("data-code", "the code of features is tested", tested("test_features.py")),
    Criterion("model-review", "every specification is reviewed", reviewed),
    Criterion("model-online", "offline metrics go along with what matters in production", None),
    Criterion("model-tuning", "hyperparameters are tuned", tuned),
    Criterion("model-staleness", "it is known what age does to the model", stale),
    Criterion("model-simpler", "a simpler model is not better", simpler),
    Criterion("model-slices", "quality is enough on all important slices", sliced),
    Criterion("model-inclusion", "the model is looked at for inclusion and fairness", inclusive),
    Criterion(
        "infra-reproducible",
        "training is reproducible",
        tested("test_pipeline.py", "test_the_same_rows_give_the_same_model"),
    ),
    Criterion(
        "infra-unit",
        "the specification of the model is unit tested",
        tested("test_pipeline.py", "test_it_learns_what_follows_from_a_feature"),
    ),
    Criterion("infra-integration", "the whole pipeline is tested", integrated),
    Criterion("infra-validation", "quality is validated before serving", validated),
    Criterion("infra-debug", "one prediction can be followed step by step", None),
    Criterion("infra-canary", "a model is tried before it serves", canaried),
    Criterion("infra-rollback", "a served model can be rolled back", rolled_back),
    Criterion("monitor-dependencies", "changes of dependencies are noticed", dependencies),
    Criterion("monitor-inputs", "what holds for inputs is checked in production", inputs_hold),
    Criterion("monitor-skew", "training and serving compute the same", no_skew),
    Criterion("monitor-staleness", "the model is not too old", fresh),
    Criterion(
        "monitor-numerics",
        "no invalid number comes out",
        tested("test_pipeline.py", "test_missing_values_and_unseen_categories_are_predicted"),
    ),
    Criterion("monitor-speed", "the model does not become slower", fast),
    Criterion("monitor-quality", "the quality of predictions in production is looked at", None),
]


def checklist(today: date) -> list[Line]:
    """All 28, with what the project shows or a person has said. Raises ProjectError for answers that are none."""
    project, answers = Evidence(), answers_of(ANSWERS)
    return [line_of(criterion, project, answers.get(criterion.name), today) for criterion in CRITERIA]


def line_of(criterion: Criterion, project: Evidence, answer: Answer | None, today: date) -> Line:
    """What counts for a criterion: the evidence, else an answer that is not too old."""
    try:
        if criterion.look is None:
            raise Missing(f"a person has to look at it: `{criterion.name}` in {ANSWERS}")
        return Line(criterion, 1.0, criterion.look(project))
    except Missing as missing:
        if answer is None:
            return Line(criterion, 0.0, str(missing))
        if today - answer.on > VALID:
            return Line(criterion, 0.0, f"{answer.by} on {answer.on}, more than {VALID.days} days ago: look again")
        return Line(criterion, 0.5, f"{answer.by} on {answer.on}: {answer.how}")


def answers_of(path: Path) -> dict[str, Answer]:
    """By the name of the criterion; none where there is no file. Raises ProjectError."""
    if not path.is_file():
        return {}
    names = {criterion.name for criterion in CRITERIA}
    try:
        content = YAML(typ="safe").load(path) or {}
        unknown = [name for name in content if name not in names]
        if unknown:
            raise ProjectError(f"{path}: {unknown[0]} is no criterion: `checklist` lists their names")
        return {name: Answer.model_validate(answer) for name, answer in content.items()}
    except ValidationError as error:
        raise ProjectError(f"{path}: each answer has `how`, `by` and `on`: {describe(error, Answer)}") from None
    except (YAMLError, AttributeError, TypeError) as error:
        raise ProjectError(f"{path} cannot be read: {' '.join(str(error).split())}") from None


def points_of(lines: list[Line]) -> dict[str, float]:
    """By group."""
    return {group: sum(line.points for line in lines if line.criterion.group == group) for group in GROUPS.values()}


def score(lines: list[Line]) -> float:
    """That of the weakest group, from 0 to 7."""
    return min(points_of(lines).values())


def badge(value: float | None) -> str:
    """The score as an image for the README, in SVG; None: before it was looked at."""
    if value is None:
        return BADGE.format(value="?", colour="#666")
    colour = "#a33" if value <= 1 else "#875a00" if value <= 3 else "#2a6f2a"
    return BADGE.format(value=f"{value:g}", colour=colour)


def write_badge(lines: list[Line]) -> bool:
    """Write the image where it is not that of the score; whether it was another."""
    content = badge(score(lines))
    if IMAGE.is_file() and IMAGE.read_text(encoding="utf-8") == content:
        return False
    IMAGE.parent.mkdir(exist_ok=True)
    IMAGE.write_text(content, encoding="utf-8", newline="\n")
    return True


def renew_badge() -> None:
    """The image of today's score, for a commit of results; as it was where what people said cannot be read."""
    try:
        write_badge(checklist(date.today()))
    except ProjectError as error:
        print(f"{IMAGE.as_posix()} stays as it is: {error}", flush=True)


def written(lines: list[Line]) -> str:
    """All lines, a group at a time, and the score."""
    parts = []
    for group, points in points_of(lines).items():
        parts.append(f"{group}: {points:g} of 7")
        for line in (one for one in lines if one.criterion.group == group):
            mark = {1.0: "1  ", 0.5: "0.5", 0.0: "-  "}[line.points]
            parts.append(f"  {mark} {line.criterion.what}\n      {line.shown}")
    return "\n".join([*parts, f"ML Test Score: {score(lines):g} of 7, that of the weakest group"])
