"""A model fitted by several workers of a Dask cluster, each on its share of the rows: `model.workers`.

LightGBM sums the histograms of all workers at every split ("data parallel" in its guide to distributed learning), so
every tree is grown on all rows. What comes back is an ordinary estimator, which is evaluated, converted and served as
if it had been fitted here. `lightgbm.dask` does the same, but leaves it to Dask which worker has which rows, and so
gives other bytes each time; and where a worker has no row of some class, it takes another class for it.
"""

import logging
import pickle
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import scipy.sparse
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from ..console.progress import progress
from ..errors import ProjectError, first_line
from ..serving.model_code import ModelCode
from ..settings.params import Columns, Params, Task
from .cluster import workers
from .features import with_features
from .pipeline import build, fit_steps, labels
from .search import Setting

if TYPE_CHECKING:
    from distributed import Client, Future

LOOK = 1
"""Seconds between two looks at how far the workers are."""


@dataclass(frozen=True)
class Share:
    """The rows of one worker: each `of`-th of the file, from the `first` on.

    So all workers have rows of all times, and a class that is not too rare.
    """

    file: Path
    first: int
    of: int
    columns: Columns
    task: Task
    code: ModelCode
    steps: bytes
    """The pickled pipeline of the fitted steps before the estimator; empty where there are none."""


@dataclass(frozen=True)
class Inputs:
    """The inputs (n_rows, n_inputs) and targets (n_rows,) of a share."""

    values: Any
    target: NDArray[Any]


@dataclass(frozen=True)
class Network:
    """What LightGBM has to know of those that fit together. It is another each time, so no model keeps it."""

    machines: str
    local_listen_port: int
    num_machines: int
    time_out: int = 10
    """Minutes that a worker waits for another."""
    tree_learner: str = "data"


def fit_on_workers(setting: Setting, sample: pd.DataFrame, file: Path, params: Params, code: ModelCode) -> Pipeline:
    """The pipeline of a setting, its estimator fitted on all rows of a file by as many workers as `model.workers` says.

    Parameters
    ----------
    setting : Setting
        Of an estimator of LightGBM's.
    sample : DataFrame
        Rows of the file with the derived columns. The steps before the estimator are fitted on them.
    file : Path
        Parquet, which the workers reach by the same name.
    params : Params
    code : ModelCode
        Features and pipeline.

    Returns
    -------
    Pipeline
        As one that was fitted here: the same for the same rows, setting and number of workers.

    Raises
    ------
    ProjectError
        When the pipeline ends with another estimator, there are too few workers, one of them cannot read the file, has
        no row of some class, or is lost.
    """
    count = params.model.workers or 1
    pipeline = build(
        code, setting.estimator, setting.params, params.columns.kinds, params.model.seed, params.model.threads
    )
    name, estimator = pipeline.steps[-1]
    if not type(estimator).__module__.startswith("lightgbm."):
        raise ProjectError(
            f"model.workers: make_pipeline of pipeline.py ends with {type(estimator).__name__}, which is fitted on one "
            "machine: end with the estimator that it is given, or delete model.workers"
        )
    steps = fitted_steps(pipeline, setting, sample, params, code)
    with workers(count) as (client, addresses):
        team = Team(client, addresses)
        shares = [
            Share(file.absolute(), first, count, params.columns, params.task, code, steps) for first in range(count)
        ]
        inputs = team.each(inputs_of, shares)
        if params.task == "classification":
            refuse_missing_class(team.gathered(team.each(classes_of, inputs)), count)
        ports = team.gathered(team.each(free_port, addresses))
        machines = ",".join(
            f"{urlparse(address).hostname}:{port}" for address, port in zip(addresses, ports, strict=True)
        )
        networks = [Network(machines, port, count) for port in ports]
        topic = f"fit-{uuid4()}"
        leads = [place == 0 for place in range(count)]
        fits = team.each(partial(fit_share, estimator, topic), inputs, networks, leads)
        for _ in progress(team.events(topic, fits), estimator.get_params()["n_estimators"], "boosting"):
            pass
        fitted = team.gathered(fits)[0]
    pipeline.steps[-1] = (name, fitted)
    return pipeline


def fitted_steps(pipeline: Pipeline, setting: Setting, sample: pd.DataFrame, params: Params, code: ModelCode) -> bytes:
    """Fit the steps before the estimator, in their places; gives them pickled."""
    if len(pipeline.steps) == 1:
        return b""
    steps = pipeline[:-1]
    ready, target = code.inputs(sample, params.columns.kinds), labels(sample, params.columns, params.task)
    fit_steps(steps, setting.estimator, setting.params, ready, target)
    return pickle.dumps(steps)


class Team:
    """The workers that fit one model. Each does its own part of everything, and keeps what comes of it."""

    def __init__(self, client: "Client", addresses: list[str]) -> None:
        self.client, self.addresses = client, addresses

    def each(self, function: Callable[..., Any], *arguments: Sequence[Any]) -> list["Future[Any]"]:
        """Have every worker call a function, with its own of each list of arguments."""
        return [
            self.client.submit(function, *own, workers=[address], pure=False)
            for address, *own in zip(self.addresses, *arguments, strict=True)
        ]

    def gathered(self, futures: list["Future[Any]"]) -> list[Any]:
        """What came of them. Raises ProjectError when a worker fails or is lost."""
        while self.waits_for(futures):
            pass
        return list(self.client.gather(futures))

    def events(self, topic: str, futures: list["Future[Any]"]) -> Iterator[Any]:
        """What is told on a topic, as it comes, until all is done."""
        seen = 0
        while True:
            waits = self.waits_for(futures)
            events = self.client.get_events(topic)
            yield from events[seen:]
            seen = len(events)
            if not waits:
                return

    def waits_for(self, futures: list["Future[Any]"]) -> bool:
        """Whether something is still to be done, after a moment. Raises ProjectError when a worker fails or is lost."""
        from distributed import wait

        with suppress(TimeoutError):
            wait(futures, timeout=LOOK)
        self.refuse_lost()
        failed = next((future.exception() for future in futures if future.status == "error"), None)
        if isinstance(failed, ProjectError):
            raise failed
        if failed is not None:
            time.sleep(LOOK)  # others notice a worker that is lost before the scheduler does
            self.refuse_lost()
            raise ProjectError(f"a worker could not fit its share: {first_line(failed)}") from failed
        return not all(future.done() for future in futures)

    def refuse_lost(self) -> None:
        """Raise ProjectError when one of the workers is no more."""
        lost = set(self.addresses) - set(self.client.nthreads())
        if lost:
            raise ProjectError(
                f"the worker at {min(lost)} was lost while the model was fitted, perhaps for want of memory: give it "
                "more, or take more workers, by model.workers"
            )


def inputs_of(share: Share) -> Inputs:
    """The inputs of a share, row group by row group, so that a worker holds its own rows and one group at most."""
    share.code.register()
    steps: Pipeline | None = pickle.loads(share.steps) if share.steps else None
    try:
        file = pq.ParquetFile(share.file)
    except FileNotFoundError:
        raise ProjectError(
            f"a worker finds no {share.file}: the workers have to reach the project by the same name"
        ) from None
    values, targets, start = [], [], 0
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        own = np.arange((share.first - start) % share.of, len(table), share.of)
        start += len(table)
        if not len(own):
            continue
        rows = table.take(own).to_pandas()
        ready = share.code.inputs(with_features(rows, share.code, share.columns), share.columns.kinds)
        values.append(ready if steps is None else steps.transform(ready))
        targets.append(labels(rows, share.columns, share.task))
    if not values:
        raise ProjectError(f"model.workers is {share.of}, but there is no row for each of them: take fewer workers")
    return Inputs(stacked(values), np.concatenate(targets))


def stacked(parts: list[Any]) -> Any:
    """Inputs of the same columns, one below the other."""
    if scipy.sparse.issparse(parts[0]):
        return scipy.sparse.vstack(parts, format="csr")
    if not isinstance(parts[0], pd.DataFrame):
        return np.concatenate(parts)
    if any(isinstance(dtype, pd.CategoricalDtype) for dtype in parts[0].dtypes):
        raise ProjectError(
            "model.workers: the steps before the estimator give categories of pandas', which every worker would number "
            "in its own way: encode them, as an OrdinalEncoder does"
        )
    return pd.concat(parts, ignore_index=True)


def classes_of(inputs: Inputs) -> set[Any]:
    """The classes of a share."""
    return set(inputs.target.tolist())


def refuse_missing_class(classes: list[set[Any]], count: int) -> None:
    """Raise ProjectError when a worker has no row of a class that another has: it would take another class for it."""
    missing = set().union(*classes) - set.intersection(*classes)
    if missing:
        raise ProjectError(
            f"model.workers is {count}, but class {min(map(str, missing))} has too few rows for each to get one:"
            " take fewer workers, or join rare classes"
        )


def free_port(address: str) -> int:
    """A port of the worker's machine that nothing listens on."""
    with socket.socket() as free:
        free.bind((urlparse(address).hostname, 0))
        return int(free.getsockname()[1])


def fit_share(
    estimator: BaseEstimator, topic: str, inputs: Inputs, network: Network, leads: bool
) -> BaseEstimator | None:
    """Fit together with the others, who all come to the same model. One gives it back, and tells each round."""
    import lightgbm
    from distributed import get_worker

    lightgbm.register_logger(logging.getLogger(lightgbm.__name__))  # which would else print that it listens
    worker = get_worker()
    model = clone(estimator).set_params(**asdict(network))
    told = [lambda state: worker.log_event(topic, state.iteration)] if leads else []
    model.fit(inputs.values, inputs.target, callbacks=told)
    model.booster_.free_network()
    return without_network(model) if leads else None


def without_network(model: BaseEstimator) -> BaseEstimator:
    """A fitted model of LightGBM's without the addresses of those that fitted it."""
    names = list(Network.__dataclass_fields__)
    booster = model.booster_
    booster.model_from_string(re.sub(rf"\[({'|'.join(names)}): .*\]\n", "", booster.model_to_string()))
    booster.params = {name: value for name, value in booster.params.items() if name not in names}
    return model.set_params(**dict.fromkeys(names))  # which LightGBM takes for parameters that nobody has set
