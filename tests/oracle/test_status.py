"""Errors are the same on both sides of a connection."""

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from costmodel import errors
from costmodel.errors import CostModelError, InputError
from costmodel.oracle import Client
from costmodel.oracle.convert import FieldError
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.status import (
    DOMAIN,
    NotFoundError,
    NothingKnownError,
    OracleError,
    OverloadedError,
    RefusedError,
    TooSlowError,
    UnreachableError,
    status_of,
)
from costmodel.records import SourceLocation
from tests.oracle.answering import answering
from tests.store import builders

Code = grpc.StatusCode
PLACE = SourceLocation("kernel.mlir", 3, 7)
OURS = [getattr(errors, name) for name in errors.__all__]


def raised(error: CostModelError) -> CostModelError:
    """What a client raises where the server raised ``error``, in one try."""

    async def refuse(request, context):
        status = status_of(error)
        trailing = [(k, v) for k, v in status.trailing_metadata if not k.startswith("grpc-retry")]
        # A negative pause is gRPC's way of saying that no other try is wanted.
        await context.abort(
            status.code, status.details, (*trailing, ("grpc-retry-pushback-ms", "-1"))
        )

    with (
        answering(ListTargets=refuse) as address,
        Client(address) as client,
        pytest.raises(CostModelError) as caught,
    ):
        client.list_targets()
    return caught.value


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_each_of_ours_comes_back_as_it_was(kind):
    given = kind("it went wrong: “so”", hint="do that")
    if isinstance(given, InputError):
        given.location = PLACE
    found = raised(given)
    assert type(found) is kind
    assert (found.message, found.hint) == (given.message, given.hint)
    assert getattr(found, "location", None) == getattr(given, "location", None)
    assert found.exit_status == given.exit_status


@pytest.mark.parametrize(
    "kind",
    [
        NotFoundError,
        NothingKnownError,
        OverloadedError,
        RefusedError,
        TooSlowError,
        UnreachableError,
    ],
)
def test_each_of_the_oracles_too(kind):
    found = raised(kind("it went wrong", hint="do that"))
    assert type(found) is kind
    assert (found.message, found.hint) == ("it went wrong", "do that")
    assert found.code is kind.code


def test_a_refusal_keeps_its_code():
    assert raised(RefusedError("who?", code=Code.UNAUTHENTICATED)).code is Code.UNAUTHENTICATED


class NewerError(CostModelError):
    """A kind of which this version has not heard."""


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.INTERNAL, OracleError), (Code.UNAVAILABLE, OracleError),
        (Code.RESOURCE_EXHAUSTED, OracleError), (Code.INVALID_ARGUMENT, OracleError),
        (Code.PERMISSION_DENIED, RefusedError), (Code.UNAUTHENTICATED, RefusedError),
        (Code.UNIMPLEMENTED, RefusedError), (Code.FAILED_PRECONDITION, RefusedError),
    ],
)  # fmt: skip
def test_a_kind_that_is_not_known_is_what_its_code_says(code, kind, monkeypatch):
    monkeypatch.setattr("costmodel.oracle.status._CODES", ((NewerError, code),))
    found = raised(NewerError("it went wrong", hint="do that"))
    assert (type(found), found.code) == (kind, code)
    assert (found.message, found.hint) == ("it went wrong", "do that")


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.UNAVAILABLE, Code.FAILED_PRECONDITION])
def test_a_fault_of_the_oracle_is_no_bad_input(code):
    given = OracleError("it went wrong", hint="do that")
    given.code = code
    found = raised(given)
    assert (type(found), found.code, found.exit_status) == (OracleError, code, 1)


def test_how_long_to_wait_comes_along():
    assert raised(OverloadedError("later", retry_s=2.5)).retry_s == 2.5


def test_a_field_of_a_request_is_bad_usage():
    found = raised(FieldError("target.facts.arch", "the target has no arch", hint="name it"))
    assert type(found) is errors.UsageError
    assert found.exit_status == 2


def test_statuses_that_others_send():
    async def odd(request, context):
        await context.abort(Code.DATA_LOSS, "a proxy's own words")

    with answering(ListTargets=odd) as address, Client(address) as client:
        with pytest.raises(OracleError, match="DATA_LOSS: a proxy's own words") as caught:
            client.list_targets()
        with pytest.raises(RefusedError):  # a method that this server does not have
            client.register_target(builders.target())
    assert caught.value.code is Code.DATA_LOSS


def test_details_that_are_garbage_are_none():
    async def garbage(request, context):
        await context.abort(Code.INTERNAL, "so", (("grpc-status-details-bin", b"\xff\xff"),))

    with (
        answering(ListTargets=garbage) as address,
        Client(address) as client,
        pytest.raises(OracleError, match="INTERNAL: so"),
    ):
        client.list_targets()


def detailed(code, *given):
    """What a client raises for these details, each a message or the bytes of an ErrorInfo."""
    status = Status(code=code.value[0], message="so")
    for detail in given:
        packed = status.details.add()
        data = isinstance(detail, bytes)
        packed.Pack(error_details_pb2.ErrorInfo() if data else detail)
        packed.value = detail if data else packed.value

    async def refuse(request, context):
        trailing = (("grpc-status-details-bin", status.SerializeToString()),
                    ("grpc-retry-pushback-ms", "-1"))  # fmt: skip
        await context.abort(code, status.message, trailing)

    with (
        answering(ListTargets=refuse) as address,
        Client(address) as client,
        pytest.raises(CostModelError, match="so") as caught,
    ):
        client.list_targets()
    return caught.value


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x01\xff"])
def test_a_detail_that_is_garbage_is_none(data):
    assert detailed(Code.INTERNAL, data).message.endswith("INTERNAL: so")


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "1_0", "9" * 5000, "\u0663"])
def test_a_place_that_is_no_number_is_none(number):
    facts = {"file": "kernel.mlir", "line": number, "column": number}
    info = error_details_pb2.ErrorInfo(reason="ParseError", domain=DOMAIN, metadata=facts)
    found = detailed(Code.INVALID_ARGUMENT, info)
    assert type(found) is errors.ParseError
    assert found.location == SourceLocation("kernel.mlir")


@pytest.mark.parametrize(("asked", "waited"), [(-5, 0.0), (3 * 10**11, 86400.0), (3000, 3000.0)])
def test_no_server_has_a_client_wait_for_ever(asked, waited):
    info = error_details_pb2.ErrorInfo(reason="OverloadedError", domain=DOMAIN)
    wait = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=asked))
    assert detailed(Code.RESOURCE_EXHAUSTED, info, wait).retry_s == waited


def test_a_busy_server_is_asked_again_when_it_says_so():
    calls = []

    async def busy(request, context):
        calls.append(request)
        if len(calls) < 3:
            status = status_of(OverloadedError("full", retry_s=0.01))
            await context.abort(status.code, status.details, status.trailing_metadata)
        return pb.ListTargetsResponse()

    with answering(ListTargets=busy) as address, Client(address) as client:
        assert client.list_targets() == ()
    assert len(calls) == 3


def test_a_busy_server_is_not_asked_for_ever():
    calls = []

    async def busy(request, context):
        calls.append(request)
        status = status_of(OverloadedError("full", retry_s=0.01))
        await context.abort(status.code, status.details, status.trailing_metadata)

    with (
        answering(ListTargets=busy) as address,
        Client(address) as client,
        pytest.raises(OverloadedError, match="full"),
    ):
        client.list_targets()
    assert len(calls) == 5


def test_what_is_wrong_is_asked_once():
    calls = []

    async def wrong(request, context):
        calls.append(request)
        status = status_of(errors.UsageError("no"))
        await context.abort(status.code, status.details, status.trailing_metadata)

    with (
        answering(ListTargets=wrong) as address,
        Client(address) as client,
        pytest.raises(errors.UsageError, match="no"),
    ):
        client.list_targets()
    assert len(calls) == 1
