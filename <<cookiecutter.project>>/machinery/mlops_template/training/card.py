"""The card of a model: what is told of it without loading it."""

import json
from pathlib import Path
from typing import Any

from ..errors import ProjectError

CARD_FILE = "card.json"


def load_card(directory: Path) -> dict[str, Any]:
    """The card of a model. Raises ProjectError when there is no model."""
    try:
        card: dict[str, Any] = json.loads((directory / CARD_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectError(f"no model in {directory}: train one with `run` or fetch it with `pull`") from None
    return card
