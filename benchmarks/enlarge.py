"""Makes a project's feed as many rows as asked for: the sample year repeated with noise, in Parquet beside the project.

Run inside a generated project: `python enlarge.py 5000000`. All copies are of the same year, so the window that is
held out grows with the table, as it would with a bigger airline. With `december` behind it, that month comes to the
feed only when `../december.parquet` is moved to `../feed`.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from mlops_template.data import sample
from ruamel.yaml import YAML

NOISY = ["temperature", "dew_point", "pressure"]

count = int(sys.argv[1])
last_month = 12 if "december" in sys.argv[2:] else 13
feed = Path("../feed").resolve()
feed.mkdir()
files = {False: feed / "feed.parquet", True: feed.with_name("december.parquet")}
year = sample.year("late")
random = np.random.default_rng(0)
writers = {}
for copy in range(-(-count // len(year))):
    rows = year.head(count - copy * len(year)).copy()
    rows["flight_id"] = rows["flight_id"] + f" #{copy}"
    rows["departure"] = rows["departure"] + pd.to_timedelta(random.integers(0, 60, len(rows)), unit="s")
    for name in NOISY:
        rows[name] = rows[name] + random.normal(0, 0.1, len(rows))
    for late, part in rows.groupby(rows["departure"].dt.month >= last_month):
        table = pa.Table.from_pandas(part, preserve_index=False)
        if late not in writers:
            writers[late] = pq.ParquetWriter(files[late], table.schema)
        writers[late].write_table(table)
for writer in writers.values():
    writer.close()

yaml = YAML()
settings = Path("params.yaml")
params = yaml.load(settings)
params["data"]["source"] = "files"
params["data"]["files"] = {"paths": [(feed / "*.parquet").as_posix()]}
yaml.dump(params, settings)
