"""Other ways through a web framework to the same model, decoding and checks: WAY=starlette uvicorn ways:app.

fastapi: a body that the framework leaves alone; pydantic: a typed body; starlette: request and response objects;
asgi: neither; rsgi: granian's own interface.
"""

import os
from typing import Any

from fastapi import FastAPI
from mlops_template.serving.environment import from_environment
from mlops_template.serving.service import Service
from pydantic import ConfigDict, create_model
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

service = Service(from_environment())
service.start()
columns = service.model().schema.columns


async def endpoint(request: Request) -> Response:
    return Response(service.predict(await request.body()), media_type="application/json")


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    answer = service.predict(message["body"])
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Rsgi:
    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        answer = service.predict(await protocol())
        protocol.response_bytes(200, [("content-type", "application/json")], answer)


def fastapi() -> FastAPI:
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        return Response(service.predict(await request.body()), media_type="application/json")

    return app


def pydantic() -> FastAPI:
    types = {"number": float, "integer": int, "string": str, "boolean": bool, "datetime": str}
    fields: dict[str, Any] = {
        column.name: (types[column.type] | None, None) if column.nullable else (types[column.type], ...)
        for column in columns
    }
    Row = create_model("Row", __config__=ConfigDict(extra="forbid"), **fields)
    app = FastAPI()

    @app.post("/predict")
    async def predict(row: Row) -> Response:  # type: ignore[valid-type]
        return Response(service.predict(row.model_dump_json().encode()), media_type="application/json")

    return app


WAYS = {
    "asgi": lambda: asgi,
    "rsgi": Rsgi,
    "starlette": lambda: Starlette(routes=[Route("/predict", endpoint, methods=["POST"])]),
    "fastapi": fastapi,
    "pydantic": pydantic,
}
app = WAYS[os.environ["WAY"]]()
