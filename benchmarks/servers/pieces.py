"""Times the pieces of an answer: MODEL_DIR=… PYTHONPATH=… python pieces.py ROWS.jsonl, as JSON.

Microseconds for one row; `bare_batch` and `batch` are milliseconds for all rows at once.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from mlops_template.serving.environment import from_environment
from mlops_template.serving.service import Service

lines = Path(sys.argv[1]).read_bytes().splitlines()
service = Service(from_environment())
service.start()
decoder, answer = service.decode, service.model().answer
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(
    service.settings.model_dir / "model.onnx", options, providers=["CPUExecutionProvider"]
)
whole = b"[" + b",".join(lines) + b"]"


def timed(call: Callable[[int], object], number: int) -> float:
    """Microseconds of a call, the best of several rounds: what disturbs only adds."""
    rounds = []
    for _ in range(7):
        began = time.perf_counter()
        for place in range(number):
            call(place % len(lines))
        rounds.append((time.perf_counter() - began) / number * 1e6)
    return min(rounds)


rows = [decoder.rows(line) for line in lines]
batches = [decoder(line) for line in lines]
feeds = [{"numbers": batch.numbers.astype(np.float32), "categories": batch.categories} for batch in batches]
everything = decoder(whole)
all_feeds = {"numbers": everything.numbers.astype(np.float32), "categories": everything.categories}
raw = session._sess.run
predict = timed(lambda place: service.predict(lines[place]), 3000)
decode = timed(lambda place: decoder.rows(lines[place]), 3000)
arrays = timed(lambda place: decoder(lines[place]), 3000) - decode
run = timed(lambda place: answer(batches[place].numbers, batches[place].categories), 3000)
print(
    json.dumps(
        {
            "bare": timed(lambda place: raw(["predictions"], feeds[place], None), 3000),
            "decode": decode,
            "arrays": arrays,
            "run": run,
            "answer": predict - decode - arrays - run,
            "bare_batch": timed(lambda _: raw(["predictions"], all_feeds, None), 60) / 1000,
            "batch_decode": timed(lambda _: decoder.rows(whole), 60) / 1000,
            "batch_arrays": timed(lambda _: decoder(whole), 60) / 1000,
            "batch": timed(lambda _: service.predict(whole), 60) / 1000,
        }
    )
)
