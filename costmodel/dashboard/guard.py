"""Who is answered, and what a browser may do with the answer.

A page of a stranger may have its own name resolve to this machine (DNS rebinding), and would then
read the store in the visitor's browser: such a request names the stranger's host, and is refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from costmodel.oracle.addresses import is_loopback

__all__ = ["Hosts", "guarded"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Of what Datasette makes, which has scripts in its pages; our own pages allow none.
_DATASETTE = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = (
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


@dataclass(frozen=True)
class Hosts:
    """The names that a request may call this server by.

    Of one that listens beyond this machine any address will do: rebinding takes a name.
    """

    names: frozenset[str] = frozenset()
    remote: bool = False

    def allow(self, header: str) -> bool:
        """Whether the value of ``Host`` is one of them; its port makes no difference."""
        host = _host(header)
        if host is None:
            return False
        if host in self.names or host == "localhost" or is_loopback(host):
            return True
        return self.remote and _is_address(host)


def _host(header: str) -> str | None:
    if header.startswith("["):
        address, bracket, rest = header[1:].partition("]")
        port = rest.removeprefix(":")
        return address if bracket and rest[:1] in ("", ":") and _is_port(port) else None
    host, _, port = header.partition(":")
    return host.lower().removesuffix(".") if host and _is_port(port) else None


def _is_port(text: str) -> bool:
    return text == "" or (text.isascii() and text.isdigit())


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def guarded(app: App, hosts: Hosts) -> App:
    """``app`` for requests that only read, and that call this server by one of its names."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        named = [value.decode("latin-1") for key, value in scope["headers"] if key == b"host"]
        if len(named) != 1 or not hosts.allow(named[0]):
            await _refuse(send, 421, "this server goes by another name: open the address that "
                          "`costmodel dashboard` printed")  # fmt: skip
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, "the dashboard only reads", (b"allow", b"GET, HEAD"))
            return
        await app(scope, receive, _with_headers(send))

    return guard


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if not any(key.lower() == b"content-security-policy" for key, _ in headers):
                headers.append((b"content-security-policy", _DATASETTE.encode()))
            message = {**message, "headers": [*headers, *_HEADERS]}
        await send(message)

    return sending


async def _refuse(send: Send, status: int, why: str, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *more, *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{why}\n".encode()})
