"""The log of predictions, opened to be read or corrected."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from ..errors import ProjectError
from ..prediction_log.database import reason
from ..prediction_log.log_tables import connect, create, database_url, describe


@contextmanager
def opened(place: str) -> Iterator[sa.Engine]:
    """An engine for a log that is there. Raises ProjectError, also for what goes wrong while it is used."""
    url = database_url(place)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise ProjectError(f"{url.database} is no log of predictions: `serve --log {url.database}` begins one")
    engine = connect(place)
    try:
        create(engine)
        yield engine
    except sa.exc.SQLAlchemyError as error:
        raise ProjectError(f"the log of predictions in {describe(place)} cannot be used: {reason(error)}") from None
    finally:
        engine.dispose()
