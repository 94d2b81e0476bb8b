"""What the service takes from its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ProjectError


@dataclass(frozen=True)
class Settings:
    """Each is the environment variable of the same name in capitals."""

    model_dir: Path = Path("build/model")
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    """Processes, each with one thread that computes and a copy of the model."""
    drain_seconds: float = 5.0
    """How long it still answers after it was told to end, no longer ready, so that a gateway can turn away."""
    predictions: str | None = None
    """Where the log of predictions is: the path of a SQLite file, or the URL of a PostgreSQL database."""
    predictions_key: str = ""
    """The secret with which ids are hashed, where `predictions.hash_id` says so."""
    max_rows: int | None = None
    """Of one request; else as the package says."""
    max_body_mb: float | None = None


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that are in force. Raises ProjectError that names the variable which is none."""
    defaults = Settings()
    return Settings(
        model_dir=Path(environment.get("MODEL_DIR") or defaults.model_dir),
        host=environment.get("HOST") or defaults.host,
        port=whole(environment, "PORT", defaults.port, least=0, most=65535),
        workers=whole(environment, "WORKERS", defaults.workers, least=1),
        drain_seconds=number(environment, "DRAIN_SECONDS", defaults.drain_seconds),
        predictions=environment.get("PREDICTIONS") or None,
        predictions_key=environment.get("PREDICTIONS_KEY") or "",
        max_rows=whole(environment, "MAX_ROWS", 10_000, least=1) if environment.get("MAX_ROWS") else None,
        max_body_mb=number(environment, "MAX_BODY_MB", 10) if environment.get("MAX_BODY_MB") else None,
    )


def whole(environment: Mapping[str, str], name: str, default: int, least: int, most: int | None = None) -> int:
    """A whole number that is not less than another one, nor more than a third where there is one."""
    text = environment.get(name) or str(default)
    if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
        span = f"from {least} on" if most is None else f"from {least} to {most}"
        raise ProjectError(f"{name} is {text!r}: give a whole number {span}, such as {name}={default}")
    return int(text)


def number(environment: Mapping[str, str], name: str, default: float) -> float:
    """A number that is not negative."""
    text = environment.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ProjectError(f"{name} is {text!r}: give a number from 0 on, such as {name}={default:g}")
    return value
