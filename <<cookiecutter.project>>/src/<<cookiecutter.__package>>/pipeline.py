"""The scikit-learn pipeline around the estimator, fitted on training rows only. Yours to change."""

from sklearn import pipeline
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils import get_tags


def make_pipeline(estimator: BaseEstimator, columns: dict[str, list[str]], seed: int) -> Pipeline:
    """Return an unfitted pipeline that ends with the estimator.

    Parameters
    ----------
    estimator : scikit-learn estimator
        Unfitted, made from one of `model.candidates` in params.yaml.
    columns : dict of list of str
        Names of the inputs by kind, as under `columns` in params.yaml. The pipeline is given a DataFrame with them:
        "numeric" as float64, "dates" as float64 days since 1970 (both NaN where missing), "categorical" as text
        ("(missing)" where missing), "text" as text (empty where missing).
    seed : int
        `model.seed` of params.yaml, for steps that draw random numbers.

    Returns
    -------
    Pipeline
        Trees get numbers as they are and categories as codes (unknown: -1); other estimators get numbers imputed and
        scaled, and categories one-hot encoded. Each text column becomes the TF-IDF of its 200 commonest words.
    """
    if get_tags(estimator).input_tags.allow_nan:
        numbers, categories = "passthrough", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    else:
        numbers = pipeline.make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        categories = OneHotEncoder(handle_unknown="ignore", min_frequency=10)
    texts = [(f"text_{name}", TfidfVectorizer(max_features=200), name) for name in columns["text"]]
    transformer = ColumnTransformer(
        [
            ("numbers", numbers, columns["numeric"] + columns["dates"]),
            ("categories", categories, columns["categorical"]),
            *texts,
        ],
        sparse_threshold=0.3 if get_tags(estimator).input_tags.sparse else 0,
    )
    return Pipeline([("columns", transformer), ("model", estimator)])
