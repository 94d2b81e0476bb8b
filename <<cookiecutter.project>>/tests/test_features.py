"""Features are the same for a row alone, as the service sees it, and among others, as training does."""

import pandas as pd
from mlops_template.owner.modules import own_code
from mlops_template.settings.params import Params


def test_a_row_alone_has_the_features_that_it_has_among_others(rows: pd.DataFrame, params: Params) -> None:
    code, rows = own_code("features"), rows.drop(columns=params.columns.target)
    among = code.add_features(rows)
    for place in (0, 1, len(rows) // 2, len(rows) - 1):
        alone = code.add_features(rows.iloc[[place]])
        pd.testing.assert_frame_equal(alone, among.iloc[[place]], check_dtype=False)


def test_the_rows_given_are_not_changed(rows: pd.DataFrame, params: Params) -> None:
    given = rows.drop(columns=params.columns.target)
    before = given.copy()
    own_code("features").add_features(given)
    pd.testing.assert_frame_equal(given, before)
