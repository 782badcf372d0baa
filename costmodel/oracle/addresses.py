"""Where an oracle is: ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:PATH``, for servers and clients."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass

from costmodel.errors import UsageError

__all__ = ["DEFAULT_PORT", "Address", "is_loopback", "parse_address"]

DEFAULT_PORT = 50151
#: Bytes of a path that the kernel takes for a socket, without the zero at the end.
_LONGEST_PATH = 107
_FORMS = "give HOST:PORT, [IPV6]:PORT or unix:PATH, as 127.0.0.1:50151"


@dataclass(frozen=True)
class Address:
    """A host (a name, or an IP address without brackets) and a port, or the path of a socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def local(self) -> bool:
        """Whether its spelling alone says that it is on this machine; no name is looked up."""
        return bool(self.path) or is_loopback(self.host) or self.host.lower() == "localhost"


def is_loopback(host: str) -> bool:
    """Whether ``host`` is an IP address of the loopback device; a name never is."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def parse_address(text: str, what: str, *, default_port: int = DEFAULT_PORT) -> Address:
    """Read an address; a port that is left out is ``default_port``.

    ``what`` is the option that it was given with. Raises UsageError for what is no address.
    """
    if text.startswith("unix:"):
        return Address(path=_path(text, what))
    host, port = _split(text, what)
    if not host or any(each.isspace() or each in "/@?#" for each in host):
        raise UsageError(f"{what} {text!r} names no host", hint=_FORMS)
    if port is None:
        return Address(host, default_port)
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError(f"{what} {text!r}: {port!r} is no port: 0 to 65535", hint=_FORMS)
    return Address(host, int(port))


def _path(text: str, what: str) -> str:
    path = text.removeprefix("unix:")
    if path.startswith("//"):
        path = path.removeprefix("//")
    if not path or "\0" in path:
        raise UsageError(f"{what} {text!r} names no path", hint=_FORMS)
    path = os.path.abspath(path)
    size = len(os.fsencode(path))
    if size > _LONGEST_PATH:
        raise UsageError(
            f"{what}: a socket's path has at most {_LONGEST_PATH} bytes, and {path} has {size}",
            hint="give a shorter one, as unix:/run/costmodel.sock",
        )
    return path


def _split(text: str, what: str) -> tuple[str, str | None]:
    if not text.startswith("["):
        if text.count(":") > 1:
            raise UsageError(
                f"{what} {text!r}: an IPv6 address stands in brackets", hint="as [::1]:50151"
            )
        host, colon, port = text.partition(":")
        return host, port if colon else None
    host, bracket, rest = text[1:].partition("]")
    try:
        ipaddress.IPv6Address(host)
    except ValueError as error:
        raise UsageError(f"{what} {text!r}: {error}", hint=_FORMS) from error
    if not bracket or (rest and not rest.startswith(":")):
        raise UsageError(f"{what} {text!r} is no address", hint=_FORMS)
    return host, rest[1:] if rest else None
