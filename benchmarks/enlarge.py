"""Makes a project's feed as many rows as asked for: the sample year repeated with noise, one Parquet file.

Run inside a generated project: `python enlarge.py 5000000`. Copies of the year follow each other in time, so the
window that is held out grows with the table, as it would with a bigger airline.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from flight_delays.data import sample
from ruamel.yaml import YAML

NOISY = ["temperature", "dew_point", "pressure"]

count = int(sys.argv[1])
year = sample.year("late")
random = np.random.default_rng(0)
writer = None
for copy in range(-(-count // len(year))):
    rows = year.head(count - copy * len(year)).copy()
    rows["flight_id"] = rows["flight_id"] + f" #{copy}"
    rows["departure"] = rows["departure"] + pd.to_timedelta(random.integers(0, 60, len(rows)), unit="s")
    for name in NOISY:
        rows[name] = rows[name] + random.normal(0, 0.1, len(rows))
    table = pa.Table.from_pandas(rows, preserve_index=False)
    writer = writer or pq.ParquetWriter("feed.parquet", table.schema)
    writer.write_table(table)
writer.close()

yaml = YAML()
settings = Path("params.yaml")
params = yaml.load(settings)
params["data"]["source"] = "files"
params["data"]["files"] = {"paths": ["feed.parquet"]}
yaml.dump(params, settings)
