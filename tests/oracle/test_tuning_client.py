"""Tuning on the real server: followed over its death, interrupted, lent to, fetched."""

import asyncio
import hashlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest

from costmodel.oracle import AsyncClient, Client
from costmodel.oracle.access import Scope
from costmodel.oracle.clients import add_client, client_text
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.replies import TuneState
from costmodel.oracle.status import RefusedError
from costmodel.results import Silent
from tests.oracle.answering import answering
from tests.oracle.texts import KERNEL
from tests.store import builders

#: One compiler, so that a run soon has its first trial.
MANY = {"trials": 200, "backend": "tvm"}


@pytest.fixture
def server(serve):
    return serve("--allow-tuning")


def test_a_run_is_followed_over_the_servers_death(server, serve, tmp_path):
    with Client(server.address) as client:
        begun = client.start_tune(KERNEL, request_id="once", **MANY)
        assert client.start_tune(KERNEL, request_id="once", **MANY).name == begun.name
        assert not begun.state.over
        numbers, restarted = [], False
        for event in client.watch_tune(begun.name):
            numbers.append(event.number)
            if event.trial is not None and not restarted:
                restarted = True
                server.stop(signal.SIGKILL)
                serve("--allow-tuning", "--listen", server.address, folder=tmp_path)
                client.cancel_tune(begun.name)
        assert restarted
        assert numbers == list(range(len(numbers)))
        found = client.get_tune(begun.name)
        assert found.state.over
        assert found.measured >= 1
        assert client.list_tunes() == (found,)
        assert client.list_tunes(1)[0].function == "product"


def test_who_begins_to_watch_while_the_server_is_away_waits_for_it(server, serve):
    with Client(server.address) as client:
        run = client.start_tune(KERNEL, leased=True, **MANY)
    server.stop(signal.SIGKILL)
    with subprocess.Popen(
        [sys.executable, "-m", "costmodel.cli", "runs", "watch", run.name,
         "--oracle", server.address],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as watch:  # fmt: skip
        first = watch.stderr.readline()
        serve("--allow-tuning", "--listen", server.address)
        with Client(server.address) as client:  # it may have waited, and have begun only now
            client.cancel_tune(run.name)
        _, rest = watch.communicate(timeout=200)
    assert first == "costmodel: waiting for the oracle, which does not answer\n"
    assert watch.returncode == 1
    assert "does not answer" not in rest
    ends = ("failed on the server: the server ended while it ran", "was cancelled before anything")
    assert rest.splitlines()[-1].startswith(tuple(f"error: {run.name} {end}" for end in ends))


def test_who_is_asynchronous_waits_as_well():
    async def watch(address):
        async with AsyncClient(address) as client:
            return await client.wait_tune("tunes/1", progress=listener)

    async def get(request, context):
        calls.append(request)
        if len(calls) < 7:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        return pb.TuneOperation(name=request.name)

    async def follow(request, context):
        end = pb.TuneOperation(name=request.name, state=pb.TUNE_STATE_DONE, result=pb.TuneResult())
        yield pb.TuneEvent(end=end)

    calls, phases, listener = [], [], Silent()
    listener.on_phase = phases.append
    with answering(GetTune=get, WatchTune=follow) as address:
        assert asyncio.run(watch(address)).measured == 0
    assert len(calls) == 7
    assert phases[:1] == ["away"]


def test_a_run_is_cancelled_by_who_started_it_and_by_no_other(serve, tmp_path):
    clients = tmp_path / "clients.toml"
    for name in ("ann", "bob"):
        add_client(clients, client_text(name, f"{name}'s", (Scope.READ, Scope.TUNE), None))
    server = serve("--allow-tuning", "--clients", clients)
    with (
        Client(server.address, token="ann's") as ann,
        Client(server.address, token="bob's") as bob,
    ):
        run = ann.start_tune(KERNEL, **MANY)
        with pytest.raises(RefusedError, match="which ann started") as caught:
            bob.cancel_tune(run.name)
        assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
        assert caught.value.hint == "ann may, and clients with the scope admin"
        assert not bob.get_tune(run.name).state.over  # he sees it all the same
        ann.cancel_tune(run.name)
        for _ in bob.watch_tune(run.name):
            pass
        assert ann.get_tune(run.name).state is TuneState.CANCELLED


class Interrupting(Silent):
    """Interrupts a run when it has measured something."""

    def __init__(self, how):
        self.started, self.trials, self.ended, self._how = None, 0, None, how

    def on_start(self, start):
        self.started = start

    def on_trial(self, trial, best_us):
        self.trials += 1
        if self.trials == 1:
            self._how()

    def on_end(self, result):
        self.ended = result


def interrupt():
    raise KeyboardInterrupt


def test_an_interrupt_ends_a_run_with_the_best_so_far(server, tmp_path):
    listener = Interrupting(interrupt)
    with Client(server.address) as client:
        result = client.tune(KERNEL, out=tmp_path / "out", progress=listener, **MANY)
        (run,) = client.list_tunes()
    assert run.state is TuneState.CANCELLED
    assert result.interrupted
    assert listener.ended == result
    assert 1 <= result.measured < 200
    assert (listener.started.function, listener.started.trials) == ("product", 200)
    assert result.best_us > 0
    library = Path(result.artifacts["library"])
    assert library.parent == tmp_path / "out"
    assert library.stat().st_size > 0

    async def cancelled():
        async with AsyncClient(server.address) as client:
            task = asyncio.current_task()
            assert task is not None
            with pytest.raises(asyncio.CancelledError):
                await client.tune(KERNEL, progress=Interrupting(task.cancel), seed=1, **MANY)
            task.uncancel()
            newest = (await client.list_tunes(1))[0]
            async for event in client.watch_tune(newest.name):
                end = event.end
            assert end.state is TuneState.CANCELLED
            return await client.wait_tune(newest.name)

    assert asyncio.run(cancelled()).measured >= 1


class Tuning:
    """Begins a run, without an answer to the first ``silent`` requests, and never ends it."""

    def __init__(self, silent=0):
        self.silent, self.reached = silent, threading.Event()
        self.asked, self.cancelled = [], []
        #: Seconds that each call to begin one may take.
        self.left = []

    async def tune(self, request, context):
        self.asked.append(request)
        self.left.append(context.time_remaining())
        if len(self.asked) <= self.silent:
            self.reached.set()
            await asyncio.sleep(600)
        return pb.TuneOperation(name="tunes/1", state=pb.TUNE_STATE_RUNNING)

    async def watch(self, request, context):
        self.reached.set()
        await asyncio.sleep(600)
        yield

    async def cancel(self, request, context):
        self.cancelled.append(request.name)
        await context.abort(grpc.StatusCode.INTERNAL, "not that one")

    @property
    def methods(self):
        return {"Tune": self.tune, "WatchTune": self.watch, "CancelTune": self.cancel}


def interrupted(server, **options):
    """Interrupt a client for threads when it has reached the server."""
    # As Ctrl-C, which is ignored where tests run in the background.
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)

    def press():
        assert server.reached.wait(60)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    presser = threading.Thread(target=press)
    presser.start()
    try:
        with (
            answering(**server.methods) as address,
            Client(address, **options) as client,
            pytest.raises(KeyboardInterrupt),
        ):
            client.tune(KERNEL)
    finally:
        presser.join()
        signal.signal(signal.SIGUSR1, before)


def cancelled(server, **options):
    """Cancel a task when it has reached the server."""

    async def ending(address):
        async with AsyncClient(address, **options) as client:
            task = asyncio.create_task(client.tune(KERNEL))
            assert await asyncio.to_thread(server.reached.wait, 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with answering(**server.methods) as address:
        asyncio.run(ending(address))


def test_an_interrupt_before_the_first_answer_cancels_the_run():
    server = Tuning(silent=1)
    interrupted(server)
    assert server.cancelled == ["tunes/1"]
    assert server.asked[0] == server.asked[1]


@pytest.mark.parametrize("silent", [0, 1])
def test_who_is_cancelled_cancels_the_run_whether_that_fails_or_not(silent):
    server = Tuning(silent)
    cancelled(server)
    assert server.cancelled == ["tunes/1"]
    assert server.asked == [server.asked[0]] * (1 + silent)


@pytest.mark.parametrize(("timeout", "most"), [(None, 5.0), (2.0, 2.0)])
@pytest.mark.parametrize("end", [interrupted, cancelled])
def test_who_leaves_is_not_kept_by_a_server_that_is_silent(end, timeout, most):
    server = Tuning(silent=9)
    end(server, timeout=timeout)
    assert server.cancelled == []
    assert server.left[1] <= most + 0.5  # gRPC rounds


def test_candidates_are_lent_and_come_back(server):
    with Client(server.address) as client:
        run = client.start_tune(KERNEL, leased=True, **MANY)
        assert run.leased
        (own,) = (one.target for one in client.list_targets() if one.own)
        first, second = client.lease(own, count=2, wait_s=100, term_s=30)
        assert (first.tune, second.tune) == (run.name, run.name)
        assert hashlib.sha256(first.workload_text.encode()).hexdigest() == first.workload
        assert first.schedule != second.schedule
        measurement = builders.measurement(
            workload=first.workload, target=own.hash, schedule=first.schedule,
            policy=first.policy, environment=builders.installed("tvm"),
        )  # fmt: skip
        assert client.complete(first.lease, measurement)
        assert client.complete(second.lease, None)
        assert client.lease("0" * 64) == ()
        client.cancel_tune(run.name)
        end = [event.end for event in client.watch_tune(run.name)][-1]
        assert end.state is TuneState.CANCELLED
        assert measurement in client.measurements(KERNEL, target=own)
