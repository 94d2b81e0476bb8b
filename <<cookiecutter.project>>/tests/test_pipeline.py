"""The pipeline learns what can be learned, and predicts whatever may come."""

import numpy as np
import pandas as pd
from conftest import HELD_OUT
from mlops_template.integrations.digests import directory_digest
from mlops_template.settings import paths
from mlops_template.settings.params import Params
from mlops_template.training import train
from mlops_template.training.artifact import load_model
from mlops_template.training.metrics import metric_named
from mlops_template.training.scored import as_scored


def test_it_learns_what_follows_from_a_feature(rows: pd.DataFrame, params: Params) -> None:
    """The target of the made-up rows does: the primary metric beats that of the rows' predictions in another order."""
    model, held_out = load_model(paths.CHALLENGER), rows.tail(HELD_OUT)
    predictions = model.predict(held_out)
    values = []
    for one in (predictions, predictions.iloc[::-1]):
        truth, positive = held_out[params.columns.target], model.card["positive"]
        scored = as_scored(truth, one, model.classes, positive, model.threshold, held_out)
        metric = metric_named(params.gates.primary, scored)
        values.append(metric.value(scored) if metric.higher_is_better else -metric.value(scored))
    assert values[0] > values[1]


def test_missing_values_and_unseen_categories_are_predicted(rows: pd.DataFrame, params: Params) -> None:
    model, odd = load_model(paths.CHALLENGER), rows.tail(5).copy()
    columns = params.columns
    for name in {*columns.categorical, *columns.text} & set(odd):
        if odd[name].dtype == "str":
            odd[name] = "never seen"
    for name in {*columns.numeric, *columns.dates} & set(odd):
        odd[name] = odd[name].astype("float64" if name in columns.numeric else odd[name].dtype)
        odd.loc[odd.index[0], name] = None
    assert np.isfinite(model.predict(odd).to_numpy()).all()


def test_the_same_rows_give_the_same_model(rows: pd.DataFrame) -> None:
    """To the byte, so that every version can be made again."""
    before = directory_digest(paths.CHALLENGER)
    train.main()
    assert directory_digest(paths.CHALLENGER) == before
