"""The sections of `params.yaml` that no stage of the pipeline reads: when the model is retrained, where it goes."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ..errors import ProjectError
from .section import Section, positive_stretch_of_time, stretch_of_time


class Triggers(Section):
    """What each by itself is reason enough to retrain; null: never."""

    rows: Annotated[float, Field(gt=0)] | None = 0.05
    """Rows more to train on than the champion had: a share of those, or from 1 on their number."""
    age: str | None = "60 days"
    """From the newest row that the champion was made with to the newest one held."""
    drift: Annotated[float, Field(gt=0)] | None = 0.25
    """Population stability index of a feature or the target, against what the champion was trained on."""
    decay: bool = True
    """The primary metric is below that of its promotion beyond noise, by more than `gates.margin`."""

    _age = field_validator("age")(stretch_of_time)


class Windows(Section):
    """Drift and decay count when they are there in `violated` of the last `of` windows, the latest among them."""

    length: str = "7 days"
    violated: Annotated[int, Field(ge=1)] = 2
    of: Annotated[int, Field(ge=1)] = 3

    _length = field_validator("length")(positive_stretch_of_time)

    @model_validator(mode="after")
    def _can_be_reached(self) -> "Windows":
        if self.violated > self.of:
            raise ValueError(f"violated {self.violated} is more than of {self.of}")
        return self


class Budget(Section):
    """What keeps a retraining back though there is reason for it."""

    min_new_rows: Annotated[int, Field(ge=0)] = 200
    """Rows more to train on than the champion had."""
    cool_down: str = "12 hours"
    """From one retraining to the next."""
    per_week: Annotated[int, Field(ge=1)] = 7
    """Retrainings in any seven days."""

    _cool_down = field_validator("cool_down")(stretch_of_time)


class Retrain(Section):
    """When `retrain` trains again, and what becomes of the model then."""

    automation: Literal["manual", "pull-request", "automatic"] = "pull-request"
    triggers: Triggers = Triggers()
    windows: Windows = Windows()
    budget: Budget = Budget()


class Update(Section):
    """What becomes of a newer version of the template."""

    automation: Literal["manual", "pull-request"] = "pull-request"
    """A pull request each week there is one, where the project knows the template's address; else `update` by hand."""


class Predictions(Section):
    """What the service keeps of its predictions, where PREDICTIONS names a file or a database."""

    sample: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the requests."""
    keep: str | None = "400 days"
    """Older predictions and outcomes are deleted; null: never."""
    leave_out: list[str] = []
    """Columns that are never stored."""
    hash_id: bool = False
    """The id column is stored as a hash, by the secret in PREDICTIONS_KEY."""

    _keep = field_validator("keep")(stretch_of_time)


class Alarms(Section):
    """How many of the alarms may be false."""

    false_per_year: Annotated[float, Field(gt=0)] = 1.0
    """In the mean, for all figures together, while nothing has changed."""


class Monitor(Section):
    """What is told of production."""

    window: str = "7 days"
    """Over which the performance is told."""
    alarms: Alarms = Alarms()
    retrain: bool = True
    """A new problem starts `retrain.yml`, whose budget still decides."""

    _window = field_validator("window")(positive_stretch_of_time)


class Environment(Section):
    """Where the champion is rolled out to; without a server it is passed over."""

    server: str | None = None
    """Of a Swarm's manager: `ssh://user@host`; of Kubernetes: a context of the kubeconfig."""
    url: str | None = None
    """Where it answers."""

    @field_validator("url")
    @classmethod
    def _over_http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} is no URL such as 'https://model.example.com'")
        return value

    @model_validator(mode="after")
    def _can_be_verified(self) -> "Environment":
        if self.server and not self.url:
            raise ValueError("a server needs a url, by which what was rolled out is verified")
        return self


class Environments(Section):
    """In the order of the rollout."""

    staging: Environment = Environment()
    production: Environment = Environment()


class Verify(Section):
    """What a running service must satisfy, asked over HTTP."""

    rows: Annotated[int, Field(ge=0)] = 1000
    """Of the holdout, newest first, whose predictions are compared with the pipeline's own."""
    seconds: Annotated[float, Field(gt=0)] = 10
    """How long it is under load."""
    max_error_rate: Annotated[float, Field(ge=0, lt=1)] = 0.0
    max_p95_ms: Annotated[float, Field(gt=0)] = 250.0


class Deploy(Section):
    """Where the champion goes."""

    target: Literal["image", "swarm", "kubernetes"] = "image"
    image: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$")] | None = None
    """The name of the image without a tag, in lower case; its first part is the registry."""
    environments: Environments = Environments()
    verify: Verify = Verify()

    @property
    def repository(self) -> str:
        """The name of the image. Raises ProjectError where none is set."""
        if self.image is None:
            raise ProjectError("deploy.image in params.yaml is not set: name the image, such as ghcr.io/my-org/flights")
        return self.image

    def environment(self, name: str) -> Environment:
        """One of the environments. Raises ProjectError where there is none of that name."""
        if name not in Environments.model_fields:
            raise ProjectError(f"no environment is named {name}: there are {', '.join(Environments.model_fields)}")
        chosen: Environment = getattr(self.environments, name)
        return chosen
