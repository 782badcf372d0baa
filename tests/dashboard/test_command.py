"""``costmodel dashboard`` as a process: where it listens, what it refuses, how it ends."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from costmodel.cli.main import main
from costmodel.store import open_store
from tests.dashboard import realistic
from tests.dashboard.command import running

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["dashboard", *map(str, arguments)])
        assert isinstance(end.value.code, int)
        return end.value.code, *capsys.readouterr()

    return call


def fetch(address: str, host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.request("GET", "/", headers={} if host is None else {"Host": host})
    reply = connection.getresponse()
    return reply.status, reply.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_serves_while_a_tune_writes_and_ends_quietly(path: Path, number: int) -> None:
    with running("--store", path) as server, open_store(path) as store:
        status, page = fetch(server.address)
        assert (status, "matmul_bias_relu" in page) == (200, True)
        fast = realistic.measured(
            realistic.MATMUL, realistic.TARGET, realistic.iree(1, 2, 3), 1.9e9, (12.5,) * 3
        )
        assert store.add([fast]) == 1
        assert "12.5 us" in fetch(server.address)[1]
        assert fetch(server.address, "evil.example")[0] == 421
        assert server.stop(number) == (0, "", "")
        assert store.verify() == []


def test_bad_input_ends_with_2_and_a_hint(run: Run, path: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no database " * 100)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = f"127.0.0.1:{taken.getsockname()[1]}"
        for arguments, said in (
            (["--store", tmp_path / "none"], "there is no store at"),
            (["--store", text], "is no SQLite database"),
            (["--store", tmp_path], "is a directory"),
            (["--store", path, "--listen", busy], f"cannot listen on {busy}: the port is in use"),
            (["--store", path, "--listen", "0.0.0.0:0"], "could read the whole store"),
            (["--store", path, "--listen", "[::]:0"], "could read the whole store"),
            (["--store", path, "--listen", "unix:/x"], "opens no unix socket"),
            (["--store", path, "--listen", "nowhere.invalid:1"], "is no name or address"),
            (["--store", path, "--listen", "127.0.0.1:x"], "is no port"),
        ):
            if "--listen" not in arguments:
                arguments = [*arguments, "--listen", "127.0.0.1:0"]
            status, out, err = run(*arguments)
            assert (status, out) == (2, ""), err
            assert said in err
            assert "hint: " in err
            assert "Traceback" not in err


def test_a_default_store_that_is_not_there_yet_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSTMODEL_STORE", str(tmp_path / "later.sqlite"))
    status, out, _ = run("--listen", "127.0.0.1:0", "--json")
    error = json.loads(out)["error"]
    assert (status, error["kind"]) == (2, "StoreError")
    assert "tune something first" in error["hint"]
    assert not (tmp_path / "later.sqlite").exists()
