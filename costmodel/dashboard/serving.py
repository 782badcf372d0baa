"""Listening: on this machine alone unless told otherwise, until Ctrl-C."""

from __future__ import annotations

import errno
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from costmodel.dashboard.guard import Hosts
from costmodel.errors import UsageError
from costmodel.interrupts import uninterrupted
from costmodel.oracle.addresses import Address, is_loopback, parse_address

__all__ = ["DEFAULT_PORT", "DashboardOptions", "serve"]

DEFAULT_PORT = 8001
#: Seconds that requests under way have at the end.
_GRACE_S = 3
_LISTEN = "give another port with --listen; port 0 takes a free one"


@dataclass(frozen=True)
class DashboardOptions:
    """``listen`` is HOST:PORT; beyond this machine only with ``allow_remote``.

    ``host_names`` are more names that the server may be called by.
    """

    store: Path
    listen: str
    allow_remote: bool = False
    host_names: tuple[str, ...] = ()
    weights: Path | None = None


def serve(options: DashboardOptions, ready: Callable[[str], None]) -> None:
    """Answer until Ctrl-C or SIGTERM; ``ready`` is told the address to open.

    Raises UsageError for an address that cannot be listened on, StoreError and its kinds.
    """
    with uninterrupted():
        import uvicorn

        from costmodel.dashboard.app import make_dashboard

    address = parse_address(options.listen, "--listen", default_port=DEFAULT_PORT)
    with _listen(address, options.allow_remote) as listening:
        names = {name.lower().removesuffix(".") for name in (address.host, *options.host_names)}
        remote = not is_loopback(listening.getsockname()[0])
        if remote:
            names.add(socket.gethostname().lower())
        dashboard = make_dashboard(
            options.store, weights=options.weights, hosts=Hosts(frozenset(names), remote)
        )
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        config = uvicorn.Config(
            dashboard.app(), log_config=None, access_log=False, server_header=False, ws="none",
            lifespan="on", timeout_graceful_shutdown=_GRACE_S,
        )  # fmt: skip
        server = uvicorn.Server(config)
        try:
            # uvicorn ends in order, then raises the signal again for whoever handled it before.
            with suppress(KeyboardInterrupt):
                if callable(signal.getsignal(signal.SIGHUP)):
                    signal.signal(signal.SIGHUP, server.handle_exit)
                ready(_url(address, listening))
                server.run(sockets=[listening])
        finally:
            dashboard.close()


def _listen(address: Address, allow_remote: bool) -> socket.socket:
    if address.path:
        raise UsageError("--listen: a browser opens no unix socket", hint="give HOST:PORT")
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"--listen: {address.host} is no name or address that is known here",
            hint="give HOST:PORT, as 127.0.0.1:8001",
        ) from error
    family, kind, protocol, _, place = found[0]
    if not is_loopback(str(place[0])) and not allow_remote:
        raise UsageError(
            f"--listen {address}: whoever reaches that address could read the whole store",
            hint="give --allow-remote if that is meant; there are no passwords and no TLS",
        )
    listening = socket.socket(family, kind, protocol)
    try:
        # After an end the port is free at once; two servers on one are still refused.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise _refused(address, error) from error
    return listening


def _refused(address: Address, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(f"cannot listen on {address}: the port is in use", hint=_LISTEN)
    if error.errno == errno.EACCES:
        return UsageError(f"cannot listen on {address}: only root may take this port", hint=_LISTEN)
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(
            f"cannot listen on {address}: it is no address of this machine",
            hint="give one with --listen, as 127.0.0.1:8001",
        )
    return UsageError(f"cannot listen on {address}: {error.strerror}", hint=_LISTEN)


def _url(address: Address, listening: socket.socket) -> str:
    """What to open; of a server that listens everywhere, the way to it from this machine."""
    host, port = address.host, listening.getsockname()[1]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://{Address(host, port)}/"
