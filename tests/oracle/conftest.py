"""The real server, started as an operator does: another process, a store of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from costmodel.oracle.proto.oracle_pb2_grpc import OracleStub

COMMAND = (sys.executable, "-m", "costmodel.cli", "serve", "--json", "--log-json")


@dataclass
class Server:
    """A running ``costmodel serve``."""

    process: subprocess.Popen[str]
    address: str
    store: Path
    log: Path
    #: What it printed when it listened.
    began: dict[str, Any]

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def channel(self, **options: Any) -> grpc.Channel:
        return grpc.insecure_channel(self.address, **options)

    def stub(self) -> OracleStub:
        return OracleStub(self.channel())

    def events(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it and wait; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)


Start = Callable[..., Server]


def start(
    folder: Path,
    *arguments: str | Path,
    weights: str | None = "none",
    environment: dict[str, str] | None = None,
) -> Server:
    """Start a server on a free port with the store in ``folder``, and wait until it listens."""
    store, log = folder / "store.sqlite", folder / "serve.log"
    kept = {k: v for k, v in os.environ.items() if k != "COSTMODEL_WEIGHTS"}
    kept |= {"COSTMODEL_WEIGHTS": weights} if weights else {}
    with log.open("a") as errors:
        process = subprocess.Popen(
            [*COMMAND, "--listen", "127.0.0.1:0", "--store", str(store), "--processes", "1",
             *map(str, arguments)],
            env=kept | (environment or {}), cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait(60)
        pytest.fail(f"the server did not start: {log.read_text()}")
    began = json.loads(line)
    return Server(process, began["address"], store, log, began)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Start]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:

        def begin(*arguments: str | Path, folder: Path = tmp_path, **options: Any) -> Server:
            server = start(folder, *arguments, **options)
            stack.callback(_end, server)
            return server

        yield begin


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with the package's weights; tests must leave it as it was, but for its store.

    It ends with its file: others count the processes that are left.
    """
    server = start(tmp_path_factory.mktemp("oracle"), weights=None)
    yield server
    _end(server)


def _end(server: Server) -> None:
    if server.running:
        assert server.stop() == 0, server.log.read_text()
