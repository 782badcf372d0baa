"""Our plug-in for Datasette: pages, errors, and what a connection may do.

Datasette's registry of plug-ins is one for the whole process, so each hook first asks whose call it
is: only a ``Dashboard`` (``app``) is changed.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from datasette import handle_exception as default_handler
from datasette import hookimpl
from datasette.app import Datasette
from datasette.utils.asgi import Base400, Request, Response

from costmodel.amounts import UNKNOWN, duration, latency, number, quantity
from costmodel.dashboard.pages import Board, Page, Plot
from costmodel.errors import CostModelError, StoreError, UsageError

__all__ = [
    "handle_exception", "prepare_connection", "prepare_jinja2_environment", "register_routes",
]  # fmt: skip

_log = logging.getLogger(__name__)

#: Of our own pages: nothing but our style sheet and our pictures, no script at all.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {"content-security-policy": _POLICY, "cache-control": "no-store"}
#: Bytes of a string or blob that SQL may make; a store's own values are far below.
_LONGEST = 64 << 20

_ROUTES: Mapping[str, Callable[[Board, Mapping[str, str]], Awaitable[Page | Plot]]] = {
    r"/$": Board.overview,
    r"/runs$": Board.runs,
    r"/workload$": Board.workload,
    r"/predicted$": Board.predicted,
    r"/failures$": Board.failures,
    r"/targets$": Board.targets,
    r"/plot/best\.svg$": Board.plot_best,
    r"/plot/schedules\.svg$": Board.plot_schedules,
    r"/plot/predicted\.svg$": Board.plot_predicted,
    r"/plot/failures\.svg$": Board.plot_failures,
}


def _ours(datasette: Datasette) -> bool:
    return getattr(datasette, "board", None) is not None


def _board(datasette: Datasette) -> Board:
    board = datasette.board
    assert isinstance(board, Board)
    return board


@hookimpl  # type: ignore[untyped-decorator]
def register_routes(datasette: Datasette) -> list[tuple[str, Any]]:
    """Our pages, before Datasette's own."""
    if not _ours(datasette):
        return []
    return [(pattern, _view(page)) for pattern, page in _ROUTES.items()]


def _view(page: Callable[[Board, Mapping[str, str]], Awaitable[Page | Plot]]) -> Any:
    async def answer(request: Request, datasette: Datasette) -> Response:
        board = _board(datasette)
        try:
            found = await page(board, {name: request.args.get(name) or "" for name in request.args})
        except CostModelError as error:
            status = 404 if isinstance(error, UsageError) else 503
            return await _trouble(datasette, request, status, error.message, error.hint)
        if isinstance(found, Plot):
            return Response(found.svg, headers=_HEADERS, content_type="image/svg+xml")
        return await _html(datasette, request, found)

    return answer


async def _html(datasette: Datasette, request: Request, page: Page, status: int = 200) -> Response:
    values = {
        "again_s": page.again_s, "path": request.path, "now": datetime.now(UTC).timestamp(),
        "store_path": str(_board(datasette).path), **page.values,
    }  # fmt: skip
    template = datasette.jinja_env.get_template(page.template)
    return Response.html(await template.render_async(values), status=status, headers=_HEADERS)


async def _trouble(
    datasette: Datasette, request: Request, status: int, message: str, hint: str | None
) -> Response:
    if ".json" in request.path:
        found = {"ok": False, "error": message, "hint": hint, "status": status}
        return Response.json(found, status=status)
    page = Page("board_trouble.html", {"status": status, "message": message, "hint": hint})
    return await _html(datasette, request, page, status)


@hookimpl  # type: ignore[untyped-decorator]
def handle_exception(datasette: Datasette, request: Request, exception: Exception) -> Any:
    """A page in place of Datasette's, which prints a traceback with all locals to the terminal.

    All handlers that are registered run, so this one is alone and asks Datasette's where it must.
    """
    if not _ours(datasette):
        return default_handler.handle_exception(datasette, request, exception)

    async def answer() -> Response:
        if isinstance(exception, sqlite3.Error):
            trouble = StoreError(f"the store cannot be read: {exception}",
                                 hint="`costmodel cache verify` looks for damage")  # fmt: skip
            return await _trouble(datasette, request, 503, trouble.message, trouble.hint)
        status = getattr(exception, "status", 500)
        if isinstance(exception, Base400):
            wrong = str(exception.args[0]) if exception.args else ""
            message = "there is no such page" if status == 404 else wrong
            return await _trouble(datasette, request, status, message, None)
        if status == 500:
            _log.error("%s could not be made", request.path, exc_info=exception)
            message = f"unexpected {exception!r}: this is a fault of costmodel"
            return await _trouble(datasette, request, status, message, None)
        message = str(getattr(exception, "message", exception))
        return await _trouble(datasette, request, status, message, None)

    return answer


@hookimpl  # type: ignore[untyped-decorator]
def prepare_connection(conn: sqlite3.Connection, database: str, datasette: Datasette) -> None:
    """Whatever a store or somebody's SQL holds, it reads this file alone, within bounds."""
    if not _ours(datasette) or database == "_internal":
        return
    conn.execute("PRAGMA query_only = ON")
    conn.execute("PRAGMA trusted_schema = OFF")
    conn.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)


@hookimpl  # type: ignore[untyped-decorator]
def prepare_jinja2_environment(env: Any, datasette: Datasette) -> None:
    """How our pages write numbers and names."""
    if not _ours(datasette):
        return
    env.filters |= {
        "latency": latency, "duration": duration, "number": number, "quantity": quantity,
        "moment": moment, "short": lambda hash: str(hash)[:12], "percent": percent,
        "pretty": pretty, "address": urlencode,
    }  # fmt: skip


def moment(time: float) -> str:
    """Seconds of the epoch as a date in UTC; a dash for what is none."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return UNKNOWN


def percent(share: float | None) -> str:
    """``0.031`` as ``3.1%``."""
    return UNKNOWN if share is None else f"{100 * share:.1f}%"


def pretty(text: str) -> str:
    """JSON over several lines; any other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=1)
    except (ValueError, RecursionError):
        return text
