"""The routes of the service."""

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .docs import page
from .openapi import document
from .predict import Predict, refuse_other_types
from .prometheus import CONTENT_TYPE
from .rows import RequestRejected
from .service import Service


def create(service: Service) -> ASGIApp:
    """The application around a service; it does not start it."""
    predict = Predict(service)
    others = application(service, predict)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/predict" and scope["method"] == "POST":
            await predict(scope, receive, send)  # past the router and its middleware, which take as long as the model
        else:
            await others(scope, receive, send)

    return app


def application(service: Service, predict: Predict) -> Starlette:
    """All routes."""

    async def health(request: Request) -> Response:
        return answer({"status": "alive"})

    async def ready(request: Request) -> Response:
        reason = service.reason()
        return answer({"status": "not ready", "reason": reason}, 503) if reason else answer({"status": "ready"})

    async def model(request: Request) -> Response:
        return answer(service.card())

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def feedback(request: Request) -> Response:
        body = await predict.body(request.receive)
        refuse_other_types(request.scope["headers"])
        return Response(service.feedback(body), 202, media_type="application/json")

    async def openapi(request: Request) -> Response:
        return answer(document(service.model(), service.max_rows))

    async def docs(request: Request) -> Response:
        return HTMLResponse(page(document(service.model(), service.max_rows)))

    return Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"]),
            Route("/feedback", feedback, methods=["POST"]),
            Route("/health", health),
            Route("/ready", ready),
            Route("/model", model),
            Route("/metrics", metrics),
            Route("/openapi.json", openapi),
            Route("/docs", docs),
            Route("/", lambda request: RedirectResponse("/docs")),
        ],
        exception_handlers={HTTPException: otherwise, RequestRejected: refusal},
    )


def answer(content: object, status: int = 200) -> Response:
    """JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def otherwise(request: Request, error: Exception) -> Response:
    """A path or method that there is not."""
    assert isinstance(error, HTTPException)
    response = answer({"detail": f"{request.method} {request.url.path}: {error.detail}"}, error.status_code)
    response.headers.update(error.headers or {})
    return response


def refusal(request: Request, error: Exception) -> Response:
    """What cannot be told."""
    assert isinstance(error, RequestRejected)
    return answer({"detail": error.detail, "row": error.row, "column": error.column}, error.status)
