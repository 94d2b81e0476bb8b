"""Features: columns that are computed from those of the data. Yours to change."""

import pandas as pd


def add_features(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the derived columns to some rows, such as `rows.assign(area=rows["width"] * rows["height"])`.

    The same function is used by training, evaluation, comparison, backtest, `score` and the service. A derived column
    can stand in `columns` and in `evaluate.slices` of params.yaml like any other. It is not part of a request: the
    service computes it, where the model takes it.

    Parameters
    ----------
    rows : DataFrame of shape (n_rows, n_columns)
        Columns and types as in contract.yaml, without the target. A service passes only the columns that the derived
        columns of its model are computed from.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns + n_derived)
        The same rows in the same order. What is added to a row may depend on that row alone: a service meets it by
        itself, or among the rows of other requests. What has to be learned from many rows (a mean, an encoding) belongs
        in pipeline.py.
    """
    return rows
