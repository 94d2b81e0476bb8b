"""What can be seen in the settings before anything is trained: names that nothing bears."""

import ast
import re
from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..errors import ProjectError
from ..owner.dependencies import SOURCE
from ..owner.modules import own_package
from ..settings import paths
from ..settings.params import BUILT_IN_METRICS, Params, meant


def refuse_unknown_names(params: Params) -> None:
    """Raise ProjectError for a metric or a column to slice by that `params.yaml` names and that there is not."""
    for setting, name in metrics_named(params):
        if name not in BUILT_IN_METRICS[params.task]:
            refuse_unknown_metric(setting, name, params)
    columns = contract_columns()
    for name in params.evaluate.slices if columns else []:
        if name not in columns and not may_be_derived(name):
            raise ProjectError(
                f"evaluate.slices in params.yaml names {name}, which neither the data nor add_features in features.py "
                f"has{meant(name, columns)}"
            )


def metrics_named(params: Params) -> Iterator[tuple[str, str]]:
    """Every setting that names a metric, and the name."""
    yield "gates.primary", params.gates.primary
    yield from (("gates.limits", name) for name in params.gates.limits)
    if isinstance(params.model.threshold, str):
        yield "model.threshold", params.model.threshold


def refuse_unknown_metric(setting: str, name: str, params: Params) -> None:
    """Raise ProjectError where the owner has no metric of that name either."""
    from ..training.metrics import own_metrics

    known = {*BUILT_IN_METRICS[params.task], *own_metrics()}
    if name not in known:
        raise ProjectError(f"{setting} in params.yaml names {name}, which is no metric{meant(name, known)}")


def contract_columns() -> set[str]:
    """The columns of `contract.yaml`; none where it cannot be read, which the stage that checks the data will say."""
    try:
        content = YAML(typ="safe").load(paths.CONTRACT.read_text(encoding="utf-8"))
        return {str(name) for name in content["columns"]}
    except (OSError, YAMLError, KeyError, TypeError):
        return set()


def may_be_derived(name: str) -> bool:
    """Whether features.py has the name in it, or puts texts together, so that it may make a column of that name."""
    file = SOURCE / own_package() / "features.py"
    if not file.is_file():
        return False
    source = file.read_text(encoding="utf-8")
    try:
        puts_together = any(isinstance(node, ast.JoinedStr) for node in ast.walk(ast.parse(source)))
    except SyntaxError:
        return True  # the stage that imports it will say where
    return puts_together or re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source) is not None
