"""Channels to an oracle: how often a call is tried, how long it may take, what a message holds.

gRPC itself retries, by a policy of its own (proposal A6): with growing pauses where nobody answers
or the server is busy, and after as long as the server asks for. Every call of the protocol may be
repeated: what it adds has an id that the client chose. A server that is not there is known after
some two seconds, since no call waits for a connection longer than its tries take.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any

import grpc

from costmodel import __version__
from costmodel.oracle.connection import Connection
from costmodel.oracle.proto import oracle_pb2 as pb

__all__ = [
    "DEADLINES",
    "MESSAGE_BYTES",
    "SERVICE",
    "aio_channel",
    "channel",
    "deadline",
    "leaving_ends",
]

SERVICE = pb.DESCRIPTOR.services_by_name["Oracle"].full_name

#: The largest message either way; servers may allow less.
MESSAGE_BYTES = 64 << 20

#: Seconds that a call may take, its repetitions included. None, of streams whose answers are taken
#: one by one: as long as the server has something to say, and the caller takes for it, since
#: keepalive notices a server that is gone.
DEADLINES: Mapping[str, float | None] = {
    "Predict": 60.0,
    "Rank": 120.0,
    "RankStream": 300.0,
    "Lookup": 30.0,
    "ListMeasurements": None,
    "Record": 60.0,
    "Tune": 60.0,
    "GetTune": 30.0,
    "WatchTune": None,
    "CancelTune": 30.0,
    "ListTunes": 30.0,
    "DownloadTune": None,
    "Lease": 30.0,
    "Complete": 60.0,
    "ListTargets": 30.0,
    "RegisterTarget": 30.0,
}

#: Seconds for which a user who interrupts ``tune`` is kept, to end the run.
_LEAVING_S = 5.0

_RETRIES = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "5s",
    "backoffMultiplier": 2,
}
#: Would be given other candidates the second time.
_ONCE_WHEN_BUSY = ("Lease",)


def deadline(
    method: str, waits: float, seconds: float | None, ends: float | None = None
) -> float | None:
    """Seconds that a call may take: ``seconds``, or for None what suits the method.

    ``waits`` are those that the server was asked to wait, which are added. None of it is after
    ``ends``, of the monotonic clock.
    """
    suits = DEADLINES[method] if seconds is None else seconds
    found = None if suits is None else waits + suits
    if ends is None:
        return found
    left = max(0.0, ends - time.monotonic())
    return left if found is None else min(found, left)


def leaving_ends(seconds: float | None) -> float:
    """When whoever leaves a run waits no more for its end to be asked for.

    Of the monotonic clock; after ``seconds``, which a call may take, if these are fewer.
    """
    return time.monotonic() + min(_LEAVING_S, math.inf if seconds is None else seconds)


def _service_config() -> str:
    busy = [name for name in DEADLINES if name not in _ONCE_WHEN_BUSY]
    return json.dumps({
        "methodConfig": [
            _tried(busy, "UNAVAILABLE", "RESOURCE_EXHAUSTED"),
            _tried(_ONCE_WHEN_BUSY, "UNAVAILABLE"),
        ]
    })  # fmt: skip


def _tried(methods: list[str] | tuple[str, ...], *codes: str) -> dict[str, Any]:
    return {
        "name": [{"service": SERVICE, "method": name} for name in methods],
        "waitForReady": False,
        "retryPolicy": {**_RETRIES, "retryableStatusCodes": list(codes)},
    }


def _options(connection: Connection) -> list[tuple[str, Any]]:
    return [
        *connection.options,
        ("grpc.service_config", _service_config()),
        ("grpc.enable_retries", 1),
        # Names may be looked up for other settings of these; ours are not to be replaced.
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        # A connection that died without a word is noticed within 40 s of a call.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        # How long one attempt to connect may take, and the pauses between attempts.
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # The pauses that another channel of this process earned are not ours.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.primary_user_agent", f"costmodel/{__version__}"),
    ]


def channel(connection: Connection) -> grpc.Channel:
    """A channel for threads; nothing is sent yet. Raises UsageError for unusable certificates."""
    credentials, options = connection.credentials(), _options(connection)
    if credentials is None:
        return grpc.insecure_channel(connection.target, options)
    return grpc.secure_channel(connection.target, credentials, options)


def aio_channel(connection: Connection) -> grpc.aio.Channel:
    """A channel for the event loop that runs; otherwise as ``channel``."""
    credentials, options = connection.credentials(), _options(connection)
    if credentials is None:
        return grpc.aio.insecure_channel(connection.target, options)
    return grpc.aio.secure_channel(connection.target, credentials, options)
