"""Where a server listens, and what it must have to listen there."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc

from costmodel.errors import UsageError
from costmodel.oracle.addresses import Address, is_loopback, parse_address

__all__ = ["Listening", "bind", "check_exposure", "parse_listening"]


@dataclass(frozen=True)
class Listening:
    """``address`` is what was asked for, ``hosts`` the IP addresses that it is."""

    address: Address
    hosts: tuple[str, ...] = ()

    @property
    def local(self) -> bool:
        """Whether nobody from another machine gets there."""
        return bool(self.address.path) or all(map(is_loopback, self.hosts))


def parse_listening(text: str) -> Listening:
    """Read ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:PATH``, and look a name up.

    Raises UsageError for what is no address and for a name that is not known.
    """
    address = parse_address(text, "--listen")
    if address.path:
        return Listening(address)
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"--listen {text}: {address.host} is not known: {error}",
            hint="give an address of this machine, as 127.0.0.1:50151",
        ) from error
    # What is listened on is what was judged: gRPC is not given the name to look up once more.
    return Listening(address, tuple(dict.fromkeys(str(each[4][0]) for each in found)))


def check_exposure(listening: Listening, *, tls: bool, authenticated: bool) -> None:
    """Beyond this machine only with TLS, and with clients that prove who they are.

    Raises UsageError where one of these is missing.
    """
    if listening.local:
        return
    where = f"{listening.address} can be reached from other machines"
    if not tls:
        raise UsageError(
            f"{where}, and without TLS anybody on the way could read and change what is said",
            hint="give --tls-cert FILE and --tls-key FILE; or listen on 127.0.0.1 or unix:PATH",
        )
    if not authenticated:
        raise UsageError(
            f"{where}, and anybody could call",
            hint="give --clients FILE (`costmodel token` writes it) or --client-ca FILE",
        )


def bind(
    server: grpc.aio.Server, listening: Listening, credentials: grpc.ServerCredentials | None
) -> str:
    """Have a server listen; returns the address with the port that it got.

    The server should have the option ``grpc.so_reuseport`` 0: else two get the same port. Raises
    UsageError where it cannot listen there.
    """
    address = listening.address
    if address.path:
        with _private_socket(Path(address.path)):
            _add(server, str(address), credentials)
        return str(address)
    port, refused = address.port, None
    for host in listening.hosts:
        try:
            port = _add(server, str(Address(host, port)), credentials)
        except UsageError as error:
            refused = refused or error  # a name may stand for one that this machine has not
    if refused is not None and port == 0:
        raise refused
    if refused is not None and len(listening.hosts) == 1:
        raise refused
    return str(replace(address, port=port))


def _add(server: grpc.aio.Server, place: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(place)
        return server.add_secure_port(place, credentials)
    except RuntimeError as error:
        raise UsageError(
            f"cannot listen on {place}",
            hint="is another server there, is the port one that only root may take, and is the "
            "address one of this machine?",
        ) from error


@contextmanager
def _private_socket(path: Path) -> Iterator[None]:
    """From the first moment on a socket that only this user can use (mode 0600)."""
    _make_room(path)
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UsageError(f"{path} has the mode {mode:o}, and others could use it")


def _make_room(path: Path) -> None:
    """Remove the socket that a server left which is no more; never anything else."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise UsageError(f"cannot listen on {path}: there is no {path.parent}") from None
        return
    except OSError as error:
        raise UsageError(f"cannot listen on {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"cannot listen on {path}: there is a file", hint="give another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise UsageError(f"cannot listen on {path}: {error.strerror}") from error
    raise UsageError(f"cannot listen on {path}: another server is there", hint="give another path")
