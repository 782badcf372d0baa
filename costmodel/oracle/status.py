"""Our errors as gRPC statuses with details, and back: one place, so that both sides agree.

Details are those of google.rpc: BadRequest names a field, ErrorInfo the kind of the error with its
hint and place, RetryInfo when to come again.
"""

from __future__ import annotations

import re
import typing
from contextlib import suppress
from typing import TYPE_CHECKING

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from costmodel import errors
from costmodel.errors import (
    BackendError,
    CostModelError,
    InputError,
    MeasureError,
    StoreCorruptError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreVersionError,
)
from costmodel.oracle.convert import FieldError
from costmodel.records import SourceLocation

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DOMAIN",
    "KINDS",
    "NotFoundError",
    "NothingKnownError",
    "OracleError",
    "OverloadedError",
    "RefusedError",
    "TooSlowError",
    "UnreachableError",
    "error_from",
    "passes",
    "status_of",
]

#: Of ErrorInfo.
DOMAIN = "costmodel"

#: Bytes of a message, and of anything else that is said of an error: with all that encoding adds
#: they stay below the 16 KiB that gRPC allows its headers.
_MESSAGE, _FACT = 1500, 500

Code = grpc.StatusCode


class OracleError(CostModelError):
    """The oracle could not answer; ``code`` is the status's."""

    code = Code.INTERNAL


class UnreachableError(OracleError):
    """Nobody answers, or not in time; not ``passing`` where certificates do not fit."""

    code = Code.UNAVAILABLE
    passing = True


class OverloadedError(OracleError):
    """A queue is full or a limit was reached; come again after ``retry_s`` seconds."""

    code = Code.RESOURCE_EXHAUSTED

    def __init__(self, message: str, *, hint: str | None = None, retry_s: float = 1.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_s = retry_s


class TooSlowError(OracleError):
    """The server gave a question up after as long as its operator allows."""

    code = Code.DEADLINE_EXCEEDED


class NotFoundError(OracleError, InputError):
    """There is nothing of that name or hash."""

    code = Code.NOT_FOUND

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        InputError.__init__(self, message, hint=hint)


class NothingKnownError(NotFoundError):
    """Nothing correct has been measured of a kernel on a target, both of which may be known."""


class RefusedError(OracleError, InputError):
    """The caller is not known or may not do this; or the server does not do it at all."""

    code = Code.PERMISSION_DENIED

    def __init__(
        self, message: str, *, hint: str | None = None, code: Code = Code.PERMISSION_DENIED
    ) -> None:
        InputError.__init__(self, message, hint=hint)
        self.code = code


#: The first that fits counts; what is in no row is INTERNAL.
_CODES: tuple[tuple[type[BaseException], Code], ...] = (
    (StoreLockedError, Code.UNAVAILABLE),
    (StoreReadOnlyError, Code.FAILED_PRECONDITION),
    (StoreVersionError, Code.FAILED_PRECONDITION),
    (StoreCorruptError, Code.DATA_LOSS),
    (errors.StoreError, Code.FAILED_PRECONDITION),
    (InputError, Code.INVALID_ARGUMENT),
    (StoreFullError, Code.RESOURCE_EXHAUSTED),
    (BackendError, Code.FAILED_PRECONDITION),
    (MeasureError, Code.UNAVAILABLE),
)


def code_of(error: BaseException) -> Code:
    """What an error is on the wire."""
    if isinstance(error, OracleError):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), Code.INTERNAL)


_PASSING = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED)


def passes(error: CostModelError) -> bool:
    """Whether the call that ended so may succeed later; a store that is held or full is such."""
    return code_of(error) in _PASSING


def status_of(error: CostModelError) -> grpc.Status:
    """The status that a call ends with."""
    status = Status(code=code_of(error).value[0], message=_clipped(error.message, _MESSAGE))
    for detail in _details(error):
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    found: typing.Any = rpc_status.to_status(status)  # a named tuple, which its types do not say
    wait_s = _wait_s(error)
    if wait_s is not None:
        # What gRPC's own retries obey (proposal A6); RetryInfo is for clients that have others.
        pushback = ("grpc-retry-pushback-ms", str(round(wait_s * 1e3)))
        found = found._replace(trailing_metadata=(*found.trailing_metadata, pushback))
    answer: grpc.Status = found
    return answer


def _clipped(text: str, most: int) -> str:
    """Up to so many bytes of a text: what gRPC says of an error has to fit its headers."""
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) <= most:
        return encoded.decode()
    return encoded[:most].decode(errors="ignore") + "..."


def _wait_s(error: CostModelError) -> float | None:
    """Seconds after which the call may come again; None where that would change nothing."""
    if isinstance(error, OverloadedError):
        return error.retry_s
    return 1.0 if isinstance(error, StoreLockedError) else None


def _details(error: CostModelError) -> Iterator[Message]:
    if isinstance(error, FieldError):
        violation = details.BadRequest.FieldViolation(
            field=_clipped(error.field, _FACT), description=_clipped(error.message, _FACT)
        )
        yield details.BadRequest(field_violations=[violation])
    elif code_of(error) is Code.INVALID_ARGUMENT:
        violation = details.BadRequest.FieldViolation(
            field="workload", description=_clipped(str(error).partition("\n")[0], _FACT)
        )
        yield details.BadRequest(field_violations=[violation])
    facts = {} if error.hint is None else {"hint": _clipped(error.hint, _FACT)}
    place = getattr(error, "location", None)
    if place is not None:
        facts |= {
            "file": _clipped(place.file, _FACT),
            "line": str(place.line),
            "column": str(place.column),
        }
    yield details.ErrorInfo(reason=type(error).__name__, domain=DOMAIN, metadata=facts)
    wait_s = _wait_s(error)
    if wait_s is not None:
        wait = Duration()
        wait.FromNanoseconds(round(wait_s * 1e9))
        yield details.RetryInfo(retry_delay=wait)


#: The errors that come back as they were raised, by their names.
KINDS: dict[str, type[CostModelError]] = {
    name: getattr(errors, name) for name in errors.__all__
} | {
    kind.__name__: kind
    for kind in (
        NotFoundError,
        NothingKnownError,
        OverloadedError,
        TooSlowError,
        UnreachableError,
    )
}

_HINTS = {
    Code.UNAVAILABLE: "is `costmodel serve` running there, and is this its address?",
    Code.UNAUTHENTICATED: "give a token: --token-file FILE, or $COSTMODEL_ORACLE_TOKEN",
    Code.DEADLINE_EXCEEDED: "give it more time, or a smaller request",
}

_TOO_LARGE = (
    "send less at once; the server's operator may allow more: `costmodel serve --max-message MIB`"
)

#: What gRPC says where TLS fails, and what to do about it; the first that is said counts.
_TLS_HINTS = (
    ("certificate has expired", "the server's certificate has ended: its operator must renew it"),
    ("certificate is not yet valid", "are the clocks of both machines right?"),
    ("Hostname Verification", "the server's certificate is that of another host: ask it by a name "
     "that is in the certificate"),
    ("CERTIFICATE_VERIFY_FAILED", "give the authority of the server's certificate: --oracle-ca "
     "FILE, or $COSTMODEL_ORACLE_CA"),
    ("WRONG_VERSION_NUMBER", "the server speaks without TLS: write grpc://HOST:PORT"),
    ("Socket closed", "the server hung up: it may want TLS (grpcs://HOST:PORT), or a certificate "
     "that it knows (--oracle-cert FILE and --oracle-key FILE)"),
)  # fmt: skip
#: Those that no restart of the server explains.
_TLS_LASTS = tuple(said for said, _ in _TLS_HINTS if said != "Socket closed")


def error_from(error: grpc.RpcError, address: str) -> CostModelError:
    """The error that a call to ``address`` ended with, as the server raised it if it did."""
    code, message = error.code(), error.details() or ""
    found = _details_of(error)
    info = found.get("ErrorInfo")
    if info is not None and info.domain == DOMAIN:
        return _rebuilt(info, code, message, found.get("RetryInfo"))
    hint = _HINTS.get(code)
    if code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED):
        hint = next((told for said, told in _TLS_HINTS if said in message), hint)
        away = UnreachableError(
            f"the oracle at {address} does not answer: {_reason(message)}", hint=hint
        )
        away.passing = not any(said in message for said in _TLS_LASTS)
        return away
    if code in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.UNIMPLEMENTED):
        return RefusedError(message, hint=hint, code=code)
    if code is Code.RESOURCE_EXHAUSTED and "larger than max" in message:
        return errors.UsageError(
            f"a message to or from {address} is too large: {message}",
            # What the client itself refuses says so.
            hint=None if "CLIENT: " in message else _TOO_LARGE,
        )
    if code is Code.RESOURCE_EXHAUSTED:
        return OverloadedError(f"the oracle at {address} is busy: {message}")
    unknown = OracleError(f"the oracle at {address} failed: {code.name}: {message}", hint=hint)
    unknown.code = code
    return unknown


def _reason(message: str) -> str:
    """What happened, without the layers of gRPC that it happened under."""
    return message.rpartition("Failed to connect to remote host: ")[2]


#: Seconds after which a call comes again, whatever a server asks for.
_LONGEST_S = 86400.0
#: A line or a column.
_DIGITS = re.compile("[0-9]{1,9}")
_KINDS = (details.ErrorInfo, details.RetryInfo)


def _details_of(error: grpc.RpcError) -> dict[str, typing.Any]:
    """The details that are read here, by the name of their kind."""
    found: dict[str, typing.Any] = {}
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return found
    status = _status(error)
    for detail in status.details if status is not None else ():
        for kind in _KINDS:
            if detail.Is(kind.DESCRIPTOR):
                message = kind()
                with suppress(DecodeError):  # damaged: the code and the message say enough
                    detail.Unpack(message)
                    found[kind.DESCRIPTOR.name] = message
    return found


def _status(error: grpc.Call | grpc.aio.AioRpcError) -> Status | None:
    metadata: typing.Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                return None
    return None


_REFUSALS = (
    Code.PERMISSION_DENIED, Code.UNAUTHENTICATED, Code.UNIMPLEMENTED, Code.FAILED_PRECONDITION,
)  # fmt: skip


def _by_code(code: Code, message: str, hint: str | None, *, refused: bool) -> OracleError:
    """The error of a code alone; a refusal, which no repetition helps, if it may be one."""
    if refused and code in _REFUSALS:
        return RefusedError(message, hint=hint, code=code)
    found = OracleError(message, hint=hint)
    found.code = code
    return found


def _rebuilt(
    info: details.ErrorInfo, code: Code, message: str, retry: details.RetryInfo | None
) -> CostModelError:
    facts = dict(info.metadata)
    hint = facts.get("hint")
    if info.reason == "FieldError":
        return errors.UsageError(message, hint=hint)
    kind = KINDS.get(info.reason)
    if kind is None:  # of a newer server, or one whose code says more
        return _by_code(code, message, hint, refused=info.reason != OracleError.__name__)
    found = kind(message, hint=hint)
    if isinstance(found, OverloadedError) and retry is not None:
        asked_s = retry.retry_delay.ToNanoseconds() / 1e9
        found.retry_s = min(max(asked_s, 0.0), _LONGEST_S)
    if isinstance(found, InputError) and "file" in facts:
        line, column = (_number(facts.get(name, "")) for name in ("line", "column"))
        found.location = SourceLocation(facts["file"], line, column)
    return found


def _number(text: str) -> int:
    """Of a line or column that a server wrote; 0, which is none, for anything else."""
    return int(text) if _DIGITS.fullmatch(text) else 0
