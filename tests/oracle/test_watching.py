"""Following a run while connections break, and fetching its files from whoever offers them."""

import grpc
import pytest

from costmodel.oracle.downloads import Download
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.replies import TuneState, run_from
from costmodel.oracle.status import (
    NotFoundError,
    OracleError,
    OverloadedError,
    UnreachableError,
    status_of,
)
from costmodel.oracle.watching import Following, Watching
from costmodel.results import Silent
from tests.oracle.answering import answering
from tests.oracle.clients import KINDS, opened

NAME = "tunes/1"
EVENTS = [
    pb.TuneEvent(number=0, phase="reading"),
    pb.TuneEvent(number=1, phase="tuning"),
    pb.TuneEvent(
        number=2,
        trial=pb.TuneTrial(
            schedule_hash="0" * 64, outcome=pb.OUTCOME_OK, latency_us=9.0, best_us=9.0,
            source="guess", backend="tvm",
        ),
    ),
    pb.TuneEvent(number=3, trial=pb.TuneTrial(outcome=pb.OUTCOME_CRASH, error="so", best_us=9.0)),
    pb.TuneEvent(number=4, end=pb.TuneOperation(name=NAME, state=pb.TUNE_STATE_DONE)),
]  # fmt: skip


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("costmodel.oracle.watching._FIRST_S", 0.01)


def losing(*ends):
    """Each call sends two events and ends as the next of ``ends`` says; the last sends the rest."""
    skips = []

    async def watch(request, context):
        call = len(skips)
        skips.append(request.skip)
        for event in EVENTS[request.skip :][: 2 if call < len(ends) else None]:
            yield event
        if call < len(ends) and ends[call] is not None:
            await context.abort(ends[call], "gone")

    return skips, watch


def test_each_event_comes_once_whatever_happens_to_connections(kind):
    skips, watch = losing(grpc.StatusCode.UNAVAILABLE, None)
    with answering(WatchTune=watch) as address, opened(kind, address) as client:
        events = list(client.watch_tune(NAME))
    assert [event.number for event in events] == [0, 1, 2, 3, 4]
    assert skips == [0, 2, 4]
    assert [event.phase for event in events[:2]] == ["reading", "tuning"]
    trial = events[2].trial
    assert (trial.latency_us, trial.source, trial.backend, trial.ok) == (9.0, "guess", "tvm", True)
    assert (events[3].trial.latency_us, events[3].best_us) == (None, 9.0)
    assert events[4].end.state is TuneState.DONE


def test_a_server_that_ends_in_order_is_waited_for(kind):
    skips, watch = losing(grpc.StatusCode.CANCELLED)
    with answering(WatchTune=watch) as address, opened(kind, address) as client:
        assert len(list(client.watch_tune(NAME, skip=1))) == 4
    assert skips == [1, 3]


def test_a_run_that_is_not_there_is_not_waited_for(kind):
    calls = []

    async def watch(request, context):
        calls.append(request)
        status = status_of(NotFoundError("no such run"))
        await context.abort(status.code, status.details, status.trailing_metadata)
        yield

    with (
        answering(WatchTune=watch) as address,
        opened(kind, address) as client,
        pytest.raises(NotFoundError, match="no such run"),
    ):
        list(client.watch_tune(NAME))
    assert len(calls) == 1


def test_patience_ends():
    now = 0.0
    watching = Watching(NAME, clock=lambda: now)
    away = UnreachableError("nobody")
    pauses = []
    while now < 119:
        pauses.append(watching.lost(away))
        now += pauses[-1]
    assert pauses[:4] == [0.01, 0.02, 0.04, 0.08] or pauses[0] <= pauses[1]
    assert max(pauses) == 5.0
    watching.take(EVENTS[0])  # somebody is there: it begins anew
    assert watching.lost(away) < 1
    assert watching.lost(OverloadedError("full", retry_s=7.5)) == 7.5
    now += 121
    with pytest.raises(UnreachableError, match="nobody") as caught:
        watching.lost(away)
    assert f"costmodel runs watch {NAME}" in caught.value.hint


def trying(error, seconds, most):
    """Lose as many connections as one watches for, each after ``seconds``; how long that took."""
    now = 0.0
    watching = Watching(NAME, clock=lambda: now)
    for _ in range(most):
        watching.request()
        now += seconds
        try:
            now += watching.lost(error)
        except UnreachableError:
            return now
    return None


AWAY, ENDED = UnreachableError("nobody"), OracleError("cancelled")
ENDED.code = grpc.StatusCode.CANCELLED


@pytest.mark.parametrize("error", [None, AWAY, ENDED])
def test_a_silent_run_is_watched_over_any_number_of_losses(error):
    """One that waits has no events for hours, and proxies end streams that are idle."""
    assert trying(error, 60.0, 500) is None


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(None, 0.0), (ENDED, 0.1), (AWAY, 0.0), (AWAY, 2.0), (AWAY, 7.0),
     (OverloadedError("full"), 20.0)],
)  # fmt: skip
def test_nobody_is_watched_for_two_minutes_of_tries(error, seconds):
    assert 120 < trying(error, seconds, 500) < 150


def test_a_call_that_is_no_stream_shows_nobody_by_its_length():
    now = 0.0
    watching = Watching(NAME, clock=lambda: now, streams=False)
    watching.begin()
    now += 60.0
    watching.lost(AWAY)
    watching.begin()
    now += 61.0
    with pytest.raises(UnreachableError):
        watching.lost(AWAY)


def test_nobody_waits_for_certificates_that_do_not_fit():
    error = UnreachableError("CERTIFICATE_VERIFY_FAILED")
    error.passing = False
    with pytest.raises(UnreachableError, match="VERIFY"):
        Watching(NAME).lost(error)


def test_an_answer_that_is_none_is_the_servers_fault():
    trial = pb.TuneEvent(trial=pb.TuneTrial(outcome=99))
    with pytest.raises(OracleError, match="cannot be read"):
        Watching(NAME).take(trial)


def finished(**fields):
    following = Following(run_from(pb.TuneOperation(name=NAME)), Silent(), None)
    following.end = run_from(pb.TuneOperation(name=NAME, **fields))
    return following


def test_a_run_that_failed_is_an_error_and_what_it_found_is_not_lost():
    with pytest.raises(OracleError, match="tunes/1 failed on the server: no compiler"):
        finished(state=pb.TUNE_STATE_FAILED, error="no compiler").result({}, interrupted=False)
    with pytest.raises(OracleError, match="was cancelled before"):
        finished(state=pb.TUNE_STATE_CANCELLED).result({}, interrupted=False)
    found = finished(
        state=pb.TUNE_STATE_FAILED, error="the disk is full", result=pb.TuneResult(best_us=5.0)
    ).result({}, interrupted=False)
    assert (found.best_us, found.problems) == (5.0, ("the disk is full",))


def chunk(data, *, last=True, name="kernel.so", kind="library"):
    return pb.ArtifactChunk(artifact=kind, file_name=name, data=data, last=last)


def downloading(*chunks):
    async def download(request, context):
        for each in chunks:
            if not request.artifacts or each.artifact in request.artifacts:
                yield each

    return download


def test_files_come_whole(kind, tmp_path):
    chunks = [
        chunk(b"ab", last=False), chunk(b"c"), chunk(b"{}", name="report.json", kind="report"),
        chunk(b"", name="empty", kind="other"),
    ]  # fmt: skip
    with (
        answering(DownloadTune=downloading(*chunks)) as address,
        opened(kind, address) as client,
    ):
        paths = client.download_tune(NAME, tmp_path / "out")
        only = client.download_tune(NAME, tmp_path / "one", artifacts=["report"])
    out = tmp_path / "out"
    assert paths == {
        "library": str(out / "kernel.so"), "report": str(out / "report.json"),
        "other": str(out / "empty"),
    }  # fmt: skip
    assert (out / "kernel.so").read_bytes() == b"abc"
    assert (out / "empty").read_bytes() == b""
    assert list(only) == ["report"]
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["report.json"]


def test_a_file_that_is_cut_off_is_not_there(kind, tmp_path):
    with (
        answering(DownloadTune=downloading(chunk(b"ab", last=False))) as address,
        opened(kind, address) as client,
        pytest.raises(OracleError, match="cut off"),
    ):
        client.download_tune(NAME, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "/etc/x", "a/b", "..\\x", "C:\\x", ".bashrc", "a\0b", "a/"]
)
def test_names_lead_nowhere_else(name, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(OracleError, match="no plain name"):
        Download(out).take(chunk(b"x", name=name))
    assert [*tmp_path.rglob("*")] == [out]


def test_files_do_not_mix(tmp_path):
    download = Download(tmp_path)
    download.take(chunk(b"a", last=False))
    with pytest.raises(OracleError, match="cut off"):
        download.take(chunk(b"b", name="other"))


def test_where_no_reason_is_known_none_is_said():
    found = finished(state=pb.TUNE_STATE_CANCELLED, result=pb.TuneResult(best_us=9.0))
    result = found.result({}, interrupted=False)
    assert result.problems == (f"{NAME} was cancelled before its trials were over",)


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_run_that_others_ended_is_no_success(interrupted):
    """Who has cancelled it knows, and has been told that he interrupted it."""
    result = pb.TuneResult(best_us=9.0, trials=4, measured=1)
    ended = pb.TuneOperation(
        name=NAME, state=pb.TUNE_STATE_CANCELLED, error="the server was stopped", result=result
    )
    following = Following(run_from(ended), Silent(), None)
    following.end = run_from(ended)
    found = following.result({}, interrupted=interrupted)
    assert found.interrupted is interrupted
    said = f"{NAME} was cancelled before its trials were over: the server was stopped"
    assert found.problems == (() if interrupted else (said,))
