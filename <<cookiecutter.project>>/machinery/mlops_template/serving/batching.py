"""Dynamic batching: requests that wait at the same moment are predicted together.

What pandas does costs about as much for a hundred rows as for one. So a model whose features are computed by it, or
that is a scikit-learn pipeline, takes all requests that have come while it was busy at once; nobody waits for more.
"""

from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rows import Batch, Decoder, RequestRejected, Values
from .runtime import Served

MAX_ROWS = 1_000
"""That are predicted at once, unless they come in one request: above it there is little to be won."""

Predicted = tuple[Batch, NDArray[Any]]
"""The inputs of a request, and its predictions [rows, names]."""


def predict_together(served: Served, decode: Decoder, bodies: list[bytes]) -> list[Predicted | Exception]:
    """What each body is answered with: its predictions, or the exception that it alone would have met."""
    outcomes: list[Predicted | Exception | None] = [None] * len(bodies)
    read: list[tuple[int, Values]] = []
    for place, body in enumerate(bodies):
        try:
            read.append((place, decode.values(body)))
        except RequestRejected as rejected:
            outcomes[place] = rejected
    for group in groups(read, decode):
        try:
            predicted: list[Any] = predict(served, decode, [values for _, values in group])
        except Exception:  # of one of them, which is then known
            predicted = [alone(served, decode, values) for _, values in group]
        for (place, _), outcome in zip(group, predicted, strict=True):
            outcomes[place] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


def groups(read: list[tuple[int, Values]], decode: Decoder) -> list[list[tuple[int, Values]]]:
    """The requests whose columns have the same types, in groups of at most MAX_ROWS rows or one request."""

    def upcast(one: tuple[int, Values]) -> list[str]:
        return decode.upcast(one[1])

    made: list[list[tuple[int, Values]]] = []
    for _, alike in groupby(sorted(read, key=upcast), upcast):
        rows = MAX_ROWS
        for one in alike:
            if rows + len(one[1].rows) > MAX_ROWS:
                made.append([])
                rows = 0
            made[-1].append(one)
            rows += len(one[1].rows)
    return made


def predict(served: Served, decode: Decoder, requests: list[Values]) -> list[Predicted]:
    """The predictions for some requests, by one call of the model. Raises RequestRejected, or what the model raises."""
    batches = decode.batches(requests)
    if len(batches) == 1:
        return [(batches[0], served.predict(batches[0].numbers, batches[0].categories))]
    predictions = served.predict(
        np.concatenate([batch.numbers for batch in batches]), np.concatenate([batch.categories for batch in batches])
    )
    ends = np.cumsum([len(batch.numbers) for batch in batches])[:-1]
    return list(zip(batches, np.split(predictions, ends), strict=True))


def alone(served: Served, decode: Decoder, values: Values) -> Predicted | Exception:
    """The predictions for one request, or the exception."""
    try:
        return predict(served, decode, [values])[0]
    except Exception as error:  # RequestRejected, or whatever a model raises
        return error
