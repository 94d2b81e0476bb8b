"""What skl2onnx converts only with help: LightGBM, XGBoost, and infrequent categories of a single column."""

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

BOOSTING = {"lightgbm", "xgboost"}
"""Packages whose estimators onnxmltools converts."""

OPERATOR_SETS = {"": 18, "ai.onnx.ml": 3}
"""Versions of ONNX's operators that onnxmltools writes."""


def boosting_package(parts: Iterable[Any]) -> str | None:
    """The package that one of a pipeline's parts is from, and that skl2onnx does not convert by itself."""
    packages = {type(part).__module__.partition(".")[0] for part in parts}
    return next(iter(sorted(packages & BOOSTING)), None)


def advice(package: str | None) -> str:
    """What to add so that ONNX Runtime serves estimators of a package, empty where nothing helps."""
    if package and find_spec("onnxmltools") is None:
        return f"; `uv add onnxmltools` makes {package} convert"
    return ""


def register(package: str | None) -> dict[str, int] | None:
    """Let skl2onnx convert a boosting package where onnxmltools is there. Returns the operator sets to convert to."""
    if package is None or find_spec("onnxmltools") is None:
        return None
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator

    boosting = import_module(package)
    if package == "lightgbm":
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm as converter

        prefix = "LGBM"
    else:
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost as converter

        prefix = "XGB"
    for kind in ("Classifier", "Regressor"):
        update_registered_converter(
            getattr(boosting, f"{prefix}{kind}"),
            f"{prefix}{kind}",
            getattr(shape_calculator, f"calculate_linear_{kind.lower()}_output_shapes"),
            converter,
            options={"nocl": [True, False], "zipmap": [True, False, "columns"]} if kind == "Classifier" else None,
        )
    return OPERATOR_SETS


def convert_one_hot(scope: Any, operator: Any, container: Any) -> None:
    """Convert a OneHotEncoder, also where categories of a single column are infrequent, which skl2onnx does not."""
    from onnx import TensorProto
    from skl2onnx.operator_converters.one_hot_encoder import convert_sklearn_one_hot_encoder

    encoder = operator.raw_operator
    together = getattr(encoder, "_default_to_infrequent_mappings", [None])[0] if len(operator.inputs) == 1 else None
    if together is None or len(encoder.categories_) > 1 or encoder.drop_idx_ is not None:
        convert_sklearn_one_hot_encoder(scope, operator, container)
        return
    # Each category has the place of its column, the infrequent ones that of the last.
    places = np.asarray(together)
    last, unknown_is_infrequent = int(places.max()), encoder.handle_unknown == "infrequent_if_exist"
    coded, one_hot = (scope.get_unique_variable_name(name) for name in ("coded", "one_hot"))
    container.add_node(
        "LabelEncoder",
        [operator.inputs[0].full_name],
        coded,
        op_domain="ai.onnx.ml",
        op_version=2,
        name=scope.get_unique_operator_name("LabelEncoder"),
        keys_strings=[str(category) for category in encoder.categories_[0]],
        values_int64s=[int(place) for place in places],
        default_int64=last if unknown_is_infrequent else -1,
    )
    container.add_node(
        "OneHotEncoder",
        [coded],
        one_hot,
        op_domain="ai.onnx.ml",
        name=scope.get_unique_operator_name("OneHotEncoder"),
        cats_int64s=list(range(last + 1)),
        zeros=1,
    )
    shape = scope.get_unique_variable_name("shape")
    container.add_initializer(shape, TensorProto.INT64, [2], [-1, last + 1])
    container.add_node(
        "Reshape", [one_hot, shape], operator.outputs[0].full_name, name=scope.get_unique_operator_name("Reshape")
    )
