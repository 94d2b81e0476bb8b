"""What of a request may be kept: the owner's settings, applied before anything is written."""

import hashlib
import hmac
import re
from typing import Any

import msgspec

from ..errors import ProjectError

KEY = "PREDICTIONS_KEY"
"""The environment variable with the secret that ids are hashed with."""

MIN_KEY_LENGTH = 16

PREDICTION_ID = re.compile(r"[0-9a-f]{28}-\d+")
"""The service's own id of a prediction, which says nothing of a person."""

HASH_LENGTH = 32
"""Hexadecimal digits: two ids of a billion have the same ones with a chance of 1e-21."""


Row = tuple[str, str, str, str | None, str, str]
"""Of `predictions`: id, moment, model, the contract's id, features and prediction."""


class LogPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`predictions` of params.yaml, as the package carries it."""

    sample: float = 1.0
    """Share of the requests that are kept."""
    keep_seconds: float | None = None
    """Older predictions are deleted; None: never."""
    leave_out: list[str] = []
    """Columns that are never stored."""
    hash_id: bool = False
    """Whether the contract's id is stored as a keyed hash."""


def key_of(policy: LogPolicy, secret: str) -> bytes:
    """The secret as bytes. Raises ProjectError where ids are to be hashed and it is none."""
    if policy.hash_id and len(secret) < MIN_KEY_LENGTH:
        raise ProjectError(
            f"predictions.hash_id needs a secret of {MIN_KEY_LENGTH} characters or more in {KEY}: without one, ids "
            "could be guessed from their hashes"
        )
    return secret.encode()


def stored_id(row_id: str, policy: LogPolicy, key: bytes) -> str:
    """An id as it is stored: the contract's as HMAC-SHA-256 where the policy says so, that of a prediction as is."""
    if not policy.hash_id or PREDICTION_ID.fullmatch(row_id):
        return row_id
    return hmac.new(key, row_id.encode(), hashlib.sha256).hexdigest()[:HASH_LENGTH]


def id_text(value: Any) -> str:
    """An id of JSON or of a table as text: 17 and 17.0 are the same. PostgreSQL takes no NUL in one."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).replace("\0", "\ufffd")
