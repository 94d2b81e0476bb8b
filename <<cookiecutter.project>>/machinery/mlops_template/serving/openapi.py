"""The service's OpenAPI document, as the model's columns have it."""

from typing import Any

from .protocol import MAX_HEADERS
from .rows import MAX_NUMBER
from .runtime import Served
from .schema import Column, Schema

JSON_TYPES = {"number": "number", "integer": "integer", "string": "string", "boolean": "boolean", "datetime": "string"}
PROBLEM = {
    "type": "object",
    "properties": {
        "detail": {"type": "string", "description": "One sentence: what was expected and what came."},
        "row": {"type": ["integer", "null"], "description": "Counted from 0."},
        "column": {"type": ["string", "null"]},
    },
    "required": ["detail"],
}
REFUSALS = {
    "400": "No JSON, or not all of it.",
    "408": "The body took too long.",
    "413": "The body is too large.",
    "415": "The body is said to be something else than JSON.",
    "422": "A row breaks a rule: the answer says which, in which row and column.",
    "431": f"The headers are larger than {MAX_HEADERS:,} bytes.",
    "503": "There is no model: see /ready.",
}


def document(served: Served, max_rows: int) -> dict[str, Any]:
    """OpenAPI 3.1."""
    release = served.release
    row = {"$ref": "#/components/schemas/Row"}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": max_rows}
    examples = [{column.name: column.example for column in served.schema.columns}]
    refused = {
        status: {"description": what, "content": content({"$ref": "#/components/schemas/Problem"})}
        for status, what in REFUSALS.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{served.card['target']} by model {release['version']}",
            "version": str(release["version"]),
            "description": f"Git commit {release['commit'] or 'to come'}, model {release['digest']}.",
        },
        "paths": {
            "/predict": {
                "post": {
                    "summary": "Predictions for one row or a list of rows.",
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {
                                "schema": {"oneOf": [row, rows]},
                                "examples": {
                                    "row": {"summary": "One row", "value": examples[0]},
                                    "rows": {"summary": "A list of rows", "value": examples},
                                },
                            }
                        },
                    },
                    "responses": {
                        "200": {
                            "description": "One prediction for each row, in order.",
                            "content": content({"$ref": "#/components/schemas/Predictions"}),
                        },
                        **refused,
                    },
                }
            },
            "/feedback": feedback(refused),
            "/health": get("Whether the process is alive."),
            "/ready": get("Whether the model predicts its golden rows as it did in training.", **unready()),
            "/model": get("The model: version, commit, digest, window of its data, metrics, runtime.", **unready()),
            "/metrics": get("Figures for Prometheus.", "text/plain"),
        },
        "components": {
            "schemas": {
                "Row": {
                    "type": "object",
                    "properties": properties(served.schema),
                    "required": [column.name for column in served.schema.columns if not column.nullable],
                    "additionalProperties": False,
                },
                "Predictions": predictions(served),
                "Problem": PROBLEM,
            }
        },
    }


def properties(schema: Schema) -> dict[str, Any]:
    """The columns of a row, and the contract's id where it is none of them."""
    columns = {column.name: property_of(column) for column in schema.columns}
    if schema.id is None or schema.id in columns:
        return columns
    note = "Which row this is, if what it came to is to be told by it. The model does not look at it."
    return columns | {schema.id: {"type": ["string", "integer", "null"], "description": note}}


def property_of(column: Column) -> dict[str, Any]:
    """A column as JSON Schema."""
    kind = JSON_TYPES[column.type]
    schema: dict[str, Any] = {"type": [kind, "null"] if column.nullable else kind}
    if column.allowed is not None:
        schema["enum"] = [*column.allowed, *([None] if column.nullable else [])]
    if kind in ("number", "integer"):
        schema["minimum"] = -MAX_NUMBER if column.min is None else column.min
        schema["maximum"] = MAX_NUMBER if column.max is None else column.max
    if column.example is not None:
        schema["examples"] = [column.example]
    notes = []
    if column.kind == "date":
        notes.append("A moment in ISO 8601" + (f", or written as {column.format}." if column.format else "."))
    if column.known is not None and column.allowed is None:
        listed = ", ".join(column.known[:50]) + (" …" if len(column.known) > 50 else "")
        notes.append(f"Known from training: {listed}. Another one is accepted, too.")
    if notes:
        schema["description"] = " ".join(notes)
    return schema


def predictions(served: Served) -> dict[str, Any]:
    """What /predict returns."""
    number = {"type": "number", **({"minimum": 0, "maximum": 1} if served.card["classes"] is not None else {})}
    return {
        "type": "object",
        "properties": {
            "version": {"description": "That of the model."},
            "predictions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string", "description": "Of this prediction, and of no other."},
                        **dict.fromkeys(served.names, number),
                        **decision(served.card),
                    },
                    "required": ["id", *served.names, *decision(served.card)],
                },
            },
        },
        "required": ["version", "predictions"],
    }


def decision(card: dict[str, Any]) -> dict[str, Any]:
    """The property that holds the class decided for; none for regression."""
    if card["classes"] is None:
        return {}
    above = f": {card['positive']} above a probability of {card['threshold']:g}" if card["threshold"] else ""
    return {"prediction": {"enum": card["classes"], "description": f"The class decided for{above}."}}


def content(schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    """A body of that schema."""
    return {media: {"schema": schema}}


def feedback(refused: dict[str, Any]) -> dict[str, Any]:
    """The operation that takes outcomes."""
    outcome = {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "integer"], "description": "Of a prediction, or the contract's id of its row."},
            "outcome": {"type": ["string", "number", "boolean"], "description": "The class or number that came true."},
            "known_at": {"type": "string", "format": "date-time", "description": "Of several, the latest counts."},
        },
        "required": ["id", "outcome"],
        "additionalProperties": False,
    }
    schema = {"oneOf": [outcome, {"type": "array", "items": outcome, "minItems": 1}]}
    return {
        "post": {
            "summary": "What truly happened to rows that were predicted: one outcome or a list of them.",
            "requestBody": {"required": True, "content": content(schema)},
            "responses": {"202": {"description": "How many will be stored.", "content": content({"type": "object"})}}
            | {"404": {"description": "The service keeps no predictions.", "content": content({"type": "object"})}}
            | {status: text for status, text in refused.items() if status != "431"},
        }
    }


def get(summary: str, media: str = "application/json", **others: Any) -> dict[str, Any]:
    """An operation without parameters."""
    kind = {"type": "object"} if media == "application/json" else {"type": "string"}
    return {
        "get": {
            "summary": summary,
            "responses": {"200": {"description": "It is.", "content": content(kind, media)}, **others},
        }
    }


def unready() -> dict[str, Any]:
    """The answer while there is no model that may be asked."""
    return {"503": {"description": "Why there is none.", "content": content({"type": "object"})}}
