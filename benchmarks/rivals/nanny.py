"""NannyML's estimates for the tables that it ships: python nanny.py FOLDER writes tables and estimates there.

Needs nannyml 0.13.1, statsmodels, setuptools<81 and pandas<3.
"""

import os
import sys
from pathlib import Path

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml as nml
import pandas as pd

BINARY = {
    "car loan": (nml.load_synthetic_car_loan_dataset, "repaid", 5000),
    "california housing": (nml.load_modified_california_housing_dataset, "clf_target", 1000),
    "synthetic binary": (nml.load_synthetic_binary_classification_dataset, "work_home_actual", 5000),
    "census employment": (nml.load_us_census_ma_employment_data, "employed", 5000),
}


def joined(analysis: pd.DataFrame, targets: pd.DataFrame, target: str) -> pd.DataFrame:
    """With what came true."""
    if target in analysis:
        return analysis
    on = next((name for name in ("id", "identifier") if name in targets and name in analysis), None)
    return analysis.merge(targets, on=on) if on else analysis.assign(**{target: targets[target].to_numpy()})


def write(folder: Path, name: str, reference: pd.DataFrame, analysis: pd.DataFrame, estimates: pd.DataFrame) -> None:
    """The tables and what was estimated."""
    for part, table in (("reference", reference), ("analysis", analysis), ("estimates", estimates)):
        table.to_parquet(folder / f"{name} {part}.parquet")


def estimates_of(found: object, metric: str) -> pd.DataFrame:
    """Per chunk: first row, last row, estimate, truth."""
    table = found.filter(period="analysis").to_df()
    chunk = table["chunk"]
    return pd.DataFrame(
        {
            "begin": chunk["start_index"],
            "end": chunk["end_index"],
            "estimate": table[metric]["value"],
            "real": table[metric]["realized"],
        }
    )


def main() -> None:
    """All tables."""
    folder = Path(sys.argv[1])
    for name, (load, target, size) in BINARY.items():
        reference, analysis, targets = load()
        whole = joined(analysis, targets, target)
        score = next(c for c in ("y_pred_proba", "predicted_probability") if c in reference)
        answer = next(c for c in ("y_pred", "prediction") if c in reference)
        estimator = nml.CBPE(
            y_pred_proba=score, y_pred=answer, y_true=target, metrics=["roc_auc"],
            problem_type="classification_binary", chunk_size=size,
        ).fit(reference)  # fmt: skip
        found = estimates_of(estimator.estimate(whole), "roc_auc")
        write(folder, name, reference, whole, found.assign(target=target, score=score, size=size))
    reference, analysis, targets = nml.load_synthetic_multiclass_classification_dataset()
    whole = joined(analysis, targets, "y_true")
    scores = {name.removeprefix("y_pred_proba_"): name for name in reference if name.startswith("y_pred_proba_")}
    estimator = nml.CBPE(
        y_pred_proba=scores, y_pred="y_pred", y_true="y_true", metrics=["roc_auc"],
        problem_type="classification_multiclass", chunk_size=6000,
    ).fit(reference)  # fmt: skip
    found = estimates_of(estimator.estimate(whole), "roc_auc")
    write(folder, "multiclass", reference, whole, found.assign(target="y_true", score="", size=6000))
    reference, analysis, targets = nml.load_synthetic_car_price_dataset()
    whole = joined(analysis, targets, "y_true")
    features = [name for name in reference if name not in ("id", "y_true", "y_pred", "timestamp")]
    estimator = nml.DLE(
        feature_column_names=features, y_pred="y_pred", y_true="y_true", metrics=["mae"], chunk_size=6000
    ).fit(reference)
    found = estimates_of(estimator.estimate(whole), "mae")
    write(folder, "car price", reference, whole, found.assign(target="y_true", score="y_pred", size=6000))


if __name__ == "__main__":
    main()
