"""`from-notebook` says of each piece of a notebook where in the project it belongs."""

import json
from pathlib import Path

import pytest
from mlops_template.errors import ProjectError
from mlops_template.notebook.placing import (
    ADOPT,
    CONTRACT,
    FEATURES,
    METRICS,
    NOWHERE,
    PARAMS,
    PIPELINE,
    UNREAD,
    Finding,
    findings,
    told,
)

IMPORTS = """
%matplotlib inline
!pip install lightgbm
import pandas as pd, numpy as np
import lightgbm as lgb
import sklearn.svm
import joblib, mlflow
from sklearn.model_selection import train_test_split, GridSearchCV
from sklearn.ensemble import RandomForestClassifier as Forest
from sklearn.preprocessing import OneHotEncoder
from sklearn.metrics import roc_auc_score, matthews_corrcoef, make_scorer
"""


def read(folder: Path, *cells: str) -> list[Finding]:
    """What is found in a notebook of these cells, after one of imports."""
    made = [{"cell_type": "markdown", "source": ["pd.read_csv('no.csv')"]}]
    made += [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in (IMPORTS, *cells)]
    file = folder / "n.ipynb"
    file.write_text(json.dumps({"cells": made, "nbformat": 4}), encoding="utf-8")
    return findings(file)


@pytest.mark.parametrize(
    ("code", "place", "advice"),
    [
        ("df = pd.read_csv('loans.csv')", ADOPT, "`adopt loans.csv --target COLUMN`"),
        ("df = pd.read_sql(query, connection)", ADOPT, "`adopt TABLE --target COLUMN`"),
        ("y = df['paid']", PARAMS, "`columns.target: paid`"),
        ("target = df.pop('paid')", PARAMS, "`columns.target: paid`"),
        ("y_train = train.paid", PARAMS, "`columns.target: paid`"),
        ("X = df.drop(columns=['name'])", PARAMS, "leave them out of `columns`"),
        ("a, b = train_test_split(X)", PARAMS, "`split.holdout`"),
        ("m = Forest(n_estimators=300, random_state=1)", PARAMS, "ensemble.RandomForestClassifier` with `params: { n_estimators: 300 }`"),
        ("m = sklearn.svm.SVC(C=c)", PARAMS, "`- estimator: sklearn.svm.SVC` under `model.candidates`; C is no plain value"),
        ("m = Forest(max_depth=None)", PARAMS, "with `params: { max_depth: null }` under"),
        ("m = lgb.LGBMClassifier(n_jobs=-1)", PARAMS, "`- estimator: lightgbm.LGBMClassifier` under"),
        ("s = GridSearchCV(p, {'m__C': [1, 2]})", PARAMS, "`C: [1, 2]`"),
        ("s = GridSearchCV(p, param_grid=grid)", PARAMS, "`ranges` of the candidate"),
        ("hit = m.predict_proba(X)[:, 1] > 0.3", PARAMS, "`model.threshold`"),
        ("roc_auc_score(y, p)", PARAMS, "`gates.primary: roc_auc`"),
        ("matthews_corrcoef(y, p)", METRICS, "`matthews_corrcoef` is not measured"),
        ("make_scorer(cost)", METRICS, "a function in `METRICS`"),
        ("def cost(y_true, y_pred): return 1", METRICS, "a function in `METRICS`"),
        ("df['day'] = pd.to_datetime(df['day'])", CONTRACT, "the type of `day`"),
        ("df = df.dropna()", CONTRACT, "refused by a rule"),
        ("df['x'] = np.log(df['y'])", FEATURES, "a column in `add_features`"),
        ("df.loc[:, 'x'] = df.y * 2", FEATURES, "a column in `add_features`"),
        ("df = df.assign(x=df.y * 2)", FEATURES, "a column in `add_features`"),
        ("df['x'] = df.groupby('k').y.shift(1)", FEATURES, "it looks at rows before"),
        ("df['x'] = df.x.fillna(df.x.median())", PIPELINE, "it is learned from rows"),
        ("e = OneHotEncoder()", PIPELINE, "a step of `make_pipeline`"),
        ("joblib.dump(m, 'm.joblib')", NOWHERE, "`train` writes the model"),
        ("mlflow.log_metric('auc', 1)", NOWHERE, "`run` logs"),
        ("for x in:", UNREAD, "the whole cell was passed over"),
    ],
)
def test_each_piece_has_its_place(tmp_path: Path, code: str, place: str, advice: str) -> None:
    [found] = read(tmp_path, code)
    assert (found.cell, found.place) == (2, place)
    assert advice in found.advice
    assert code.startswith(found.code[:10]) or found.code[:10] in code


@pytest.mark.parametrize(
    "code",
    [
        "files = !ls\ny = df['paid']",
        "if True:\n    !ls\ny = df['paid']",
        "%%time\ny = df['paid']",
        "x = (7\n     % 2)\ny = df['paid']",
    ],
)
def test_what_is_for_ipython_is_passed_over(tmp_path: Path, code: str) -> None:
    assert [one.code for one in read(tmp_path, code)] == ["y = df['paid']"]


def test_a_cell_of_another_language_is_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, "%%bash\ncat 'a b'", "%%sql\nselect 1") == []


def test_a_command_can_be_pasted(tmp_path: Path) -> None:
    [first, _] = read(tmp_path, "df = pd.read_csv('my data.csv')\ny = df['is paid']")
    assert "`adopt 'my data.csv' --target 'is paid'`" in first.advice


@pytest.mark.parametrize("code", ["df.head()", "d = lgb.Dataset(X)", "x = 1", "print(df.mean())", "def f(a): return a"])
def test_what_has_no_place_is_not_told(tmp_path: Path, code: str) -> None:
    assert read(tmp_path, code) == []


def test_the_target_is_named_where_it_was_picked(tmp_path: Path) -> None:
    """In whichever cell; and all is told by place."""
    found = read(tmp_path, "df = pd.read_parquet('a.parquet')", "y = df['paid']")
    assert "`adopt a.parquet --target paid`" in found[0].advice
    lines: list[str] = []
    told(found, lines.append)
    text = "\n".join(lines)
    assert text.index("adopt: ") < text.index("cell 2: pd.read_parquet") < text.index("params.yaml: ") < text.index("cell 3: y = df")


def test_a_script_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "n.py"
    file.write_text("import pandas as pd\ndf = pd.read_csv('a.csv')\n", encoding="utf-8")
    assert [one.place for one in findings(file)] == [ADOPT]


@pytest.mark.parametrize(("content", "said"), [(b"{}", "is no notebook"), (b"[", "is no notebook"), (b"\xff", "cannot be read")])
def test_what_is_no_notebook_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "n.ipynb"
    file.write_bytes(content)
    with pytest.raises(ProjectError, match=said):
        findings(file)
    with pytest.raises(ProjectError, match="cannot be read"):
        findings(tmp_path / "none.ipynb")
