"""The API, built on `agent.session`, and the page."""

import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware

from config import DRRError
from demo.runs import OpenedRun
from demo.sessions import Sessions, UnknownSessionError
from demo.store import Store
from demo.views import Film, Library, Scored

PAGE = Path(__file__).parent / "page"
LARGEST_BODY = 1 << 16  # bytes
HEADERS = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

Text = Annotated[str, Field(max_length=256)]
Id = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)] | Text
Name = Annotated[str, InPath(max_length=64, pattern="^[A-Za-z0-9_-]+$")]
Search = Annotated[str, Query(max_length=100)]
Count = Annotated[int, Field(ge=1, le=100)]


class Problem(BaseModel):
    detail: str


class NewSession(BaseModel, extra="forbid"):
    demographics: Annotated[dict[Text, Id], Field(max_length=16)] = {}
    user_id: Annotated[Id | None, Field(description="a test user, to play")] = None


NOBODY = NewSession()


class Feedback(BaseModel, extra="forbid"):
    item_id: Id
    rating: float | None = Field(strict=True, allow_inf_nan=False, description="null: refused")


def create_app(
    opened: OpenedRun, store: Store, hosts: Collection[str] = (), origins: Sequence[str] = ()
) -> FastAPI:
    """The application. It answers to any of `hosts` (none: all), and to pages of `origins` (CORS)."""
    refusals: dict[int | str, Any] = {code: {"model": Problem} for code in (404, 409, 413, 422)}
    app = FastAPI(title="DRR demo", docs_url=None, redoc_url=None, responses=refusals)
    library = Library(opened.ratings)
    _add_sessions(app, Sessions(opened.agent, library, store))
    _add_views(app, library, opened)
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"]
        )

    @app.middleware("http")
    async def guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
        reply = refusal(request.headers, hosts) or await call_next(request)
        reply.headers.update(HEADERS)
        return reply

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = [(" ".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        return problem(422, "; ".join(f"{where}: {what}" for where, what in faults))

    @app.exception_handler(DRRError)
    def refused(_: Request, error: DRRError) -> JSONResponse:
        return problem(404 if isinstance(error, UnknownSessionError) else 409, str(error))

    @app.exception_handler(Exception)
    def broken(_: Request, error: Exception) -> JSONResponse:
        return problem(500, "the server failed; its log says how")

    return app


def _add_sessions(app: FastAPI, sessions: Sessions) -> None:
    @app.post("/sessions", status_code=201)
    def begin(asked: NewSession = NOBODY) -> dict[str, str]:
        """Begin a session: of somebody unknown, or of a test user, with their history."""
        if asked.user_id is not None and asked.demographics:
            raise HTTPException(422, "give demographics or user_id, not both")
        with values_checked():
            return {"id": sessions.begin(asked.demographics, asked.user_id)}

    @app.get("/sessions/{name}")
    def profile(name: Name) -> dict[str, Any]:
        """Whose session it is, and every answer; a refused item has no rating."""
        return sessions.profile(name)

    @app.post("/sessions/{name}/recommend")
    async def recommend(  # short: a thread would cost more
        name: Name, k: Annotated[Count, Body(embed=True)] = 10
    ) -> dict[str, list[Scored]]:
        """The best items by what is known now; fewer where fewer are left."""
        return {"items": sessions.recommend(name, k)}

    @app.get("/sessions/{name}/compare")
    def compare(name: Name, k: Annotated[Count, Query()] = 10) -> dict[str, list[Scored]]:
        """What popularity and UserKNN would show the same person."""
        return sessions.compare(name, k)

    @app.post("/sessions/{name}/feedback", status_code=204)
    async def feedback(name: Name, answer: Feedback) -> None:
        """Rate any item, or refuse it. Once acknowledged it is kept; again, it counts once."""
        with values_checked():
            sessions.answer(name, answer.item_id, answer.rating)

    @app.get("/sessions/{name}/explain/{item_id:path}")
    def explain(name: Name, item_id: Annotated[str, InPath(max_length=256)]) -> dict[str, Any]:
        """What each item of the history adds to the score: with `base` they add up to it."""
        with values_checked(404):
            found = sessions.find(name).explain(item_id)
        shares = [each._asdict() for each in found.contributions]
        return found._asdict() | {"contributions": shares}

    @app.delete("/sessions/{name}", status_code=204)
    def forget(name: Name) -> None:
        """Forget the session and all its answers."""
        sessions.forget(name)


def _add_views(app: FastAPI, library: Library, opened: OpenedRun) -> None:
    ratings, began = library.ratings, time.time()

    @app.get("/health")
    def health() -> dict[str, Any]:
        """The run, its data set, since when it is served, and what the page must know."""
        return {
            "run": opened.folder.name,
            "dataset": ratings.name,
            "users": ratings.n_users,
            "items": ratings.n_items,
            "since": began,
            "scale": ratings.scale,
            "genres": sorted(ratings.genre_names),
            "demographics": library.columns,
        }

    @app.get("/about")
    def metrics() -> dict[str, Any]:
        """How good the run is: results and learning curve of its metrics.json."""
        return opened.metrics

    @app.get("/items")
    def items(query: Search = "") -> dict[str, list[Film]]:
        """Items by the words of their title, the most rated first."""
        return {"items": library.films(query)}

    @app.get("/trending")
    def trending(
        days: Annotated[int, Query(ge=1, le=36_500)] = 30, genre: Search | None = None
    ) -> dict[str, Any]:
        """What was rated most in the data set's last days."""
        with values_checked():
            return library.trends(days, genre)

    @app.get("/users")
    def users(query: Search = "") -> dict[str, list[dict[str, Any]]]:
        """Test users, by the beginning of their id and words that describe them."""
        return {"users": library.people(query)}


@contextmanager
def values_checked(status: int = 422) -> Iterator[None]:
    """A value that the recommender does not take, as a reply."""
    try:
        yield
    except DRRError:
        raise
    except ValueError as error:
        raise HTTPException(status, str(error)) from error


def refusal(asked: Headers, hosts: Collection[str]) -> Response | None:
    """The reply to a foreign name that points here, or to a large body; None for other requests."""
    if hosts and re.sub(r":\d+$", "", asked.get("host", "")) not in hosts:
        return problem(400, "this host name is not served here")
    if "transfer-encoding" in asked or int(asked.get("content-length", 0)) > LARGEST_BODY:
        return problem(413, f"a body has a length, and at most {LARGEST_BODY} bytes")
    return None


def problem(status: int, detail: str) -> JSONResponse:
    """An error as every reply has it."""
    text = detail.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    return JSONResponse({"detail": text}, status)
