"""The JSON schemas of `params.yaml` and `contract.yaml`, by which editors complete and check them.

`python -m mlops_template.data.schemas FOLDER` writes them.
"""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from ..settings.params import Params
from .contract import Contract


def schemas() -> dict[str, str]:
    """File name → content."""
    models: dict[str, type[BaseModel]] = {"params.json": Params, "contract.json": Contract}
    return {name: json.dumps(model.model_json_schema(), indent=1) + "\n" for name, model in models.items()}


if __name__ == "__main__":
    for name, content in schemas().items():
        (Path(sys.argv[1]) / name).write_text(content, encoding="utf-8")
