"""Batches, queues and deadlines before the scoring processes; and what they answer."""

import asyncio
import base64
import json

import pytest

from costmodel.errors import CostModelError, StoreError, UsageError
from costmodel.oracle.answers import Answers
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.scoring import Scoring, ScoringOptions
from costmodel.oracle.status import OverloadedError, UnreachableError
from costmodel.store import open_store
from costmodel.store.codec import target_to_json
from costmodel.target import parse_target
from tests.oracle.texts import KERNEL

TARGET = parse_target("cpu", measure=False)
ASKED = {
    "source": {"mlir": KERNEL, "function": "", "file": "x.mlir"},
    "target": [TARGET.hash, *target_to_json(TARGET)],
    "backend": "iree",
}
RANK = {"kind": "rank", "schedules": [], "count": 4, "seed": 0, "top": 0} | ASKED
PREDICT = {"kind": "predict"} | ASKED


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("scoring") / "store.sqlite"
    open_store(path).close()
    return path


class Recorded:
    """In place of a process: what it was asked, and answers that come when they are let."""

    def __init__(self, scoring):
        self.batches, self.free = [], asyncio.Event()
        self.woken, self.garbage = 0, False
        self.threads = []
        for child in scoring._children:
            child.ask = self._ask
        self._loop = asyncio.get_running_loop()

    def _ask(self, line, *, timeout_s=None):
        asked = json.loads(line)
        questions = asked["questions"]
        if questions[0]["kind"] in ("ready", "warm"):
            self.woken += questions[0]["kind"] == "ready"
            return json.dumps([{"toolchains": {}}]).encode()
        if self.garbage:
            return b"Segmentation fault"
        self.threads.append(asked["threads"])
        self.batches.append([one["number"] for one in questions])
        asyncio.run_coroutine_threadsafe(self.free.wait(), self._loop).result(60)
        return json.dumps([{"number": one["number"]} for one in questions]).encode()


def question(number, size=1):
    return {"kind": "rank", "number": number, "schedules": [["tvm", "{}"]] * size}


def with_recorded(path, test, *, processes=1, **options):
    async def run():
        scoring = Scoring(path, None, TARGET, ScoringOptions(processes, **options))
        recorded = Recorded(scoring)
        await scoring.start()
        try:
            await asyncio.wait_for(test(scoring, recorded), 60)
        finally:
            recorded.free.set()
            await scoring.close()

    asyncio.run(run())


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def test_what_waits_together_is_asked_together(path):
    async def test(scoring, recorded):
        first = asyncio.create_task(scoring.ask(question(0)))
        await until(lambda: recorded.batches)
        others = [asyncio.create_task(scoring.ask(question(n))) for n in range(1, 6)]
        await asyncio.sleep(0.01)
        recorded.free.set()
        answers = await asyncio.gather(first, *others)
        assert [one["number"] for one in answers] == list(range(6))
        assert recorded.batches == [[0], [1, 2, 3, 4, 5]]

    with_recorded(path, test)


def test_cores_of_processes_that_have_nothing_to_do_are_free(path, monkeypatch):
    monkeypatch.setattr("costmodel.oracle.scoring.usable_cores", lambda: range(3))

    async def test(scoring, recorded):
        asked = []
        for number in range(4):
            await until(lambda: scoring._idle == 4 - len(asked))
            asked.append(asyncio.create_task(scoring.ask(question(number))))
            await until(lambda: len(recorded.batches) == len(asked))
        recorded.free.set()
        await asyncio.gather(*asked)
        assert recorded.threads == [3, 3, 2, 1]

    with_recorded(path, test, processes=4)


def test_a_batch_has_an_end(path):
    async def test(scoring, recorded):
        first = asyncio.create_task(scoring.ask(question(0)))
        await until(lambda: recorded.batches)
        others = [asyncio.create_task(scoring.ask(question(n, size=600))) for n in range(1, 4)]
        await asyncio.sleep(0.01)
        recorded.free.set()
        await asyncio.gather(first, *others)
        assert recorded.batches == [[0], [1], [2], [3]]

    with_recorded(path, test)


def test_whoever_left_or_is_late_is_not_asked_for(path):
    async def test(scoring, recorded):
        first = asyncio.create_task(scoring.ask(question(0)))
        await until(lambda: recorded.batches)
        gone = asyncio.create_task(scoring.ask(question(1)))
        late = asyncio.create_task(scoring.ask(question(2), seconds=0.01))
        last = asyncio.create_task(scoring.ask(question(3)))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0)
        recorded.free.set()
        await asyncio.gather(first, last)
        assert recorded.batches == [[0], [3]]
        late.cancel()

    with_recorded(path, test)


def test_a_queue_that_is_full_of_bytes_refuses(path):
    async def test(scoring, recorded):
        first = asyncio.create_task(scoring.ask(question(0)))
        await until(lambda: recorded.batches)
        waiting = asyncio.create_task(scoring.ask(question(1, size=100)))
        await asyncio.sleep(0.01)
        with pytest.raises(OverloadedError, match="waiting already"):
            await scoring.ask(question(2, size=100))
        recorded.free.set()
        await asyncio.gather(first, waiting)

    with_recorded(path, test, waiting_bytes=300)


def test_a_full_queue_refuses(path):
    async def test(scoring, recorded):
        first = asyncio.create_task(scoring.ask(question(0)))
        await until(lambda: recorded.batches)
        waiting = [asyncio.create_task(scoring.ask(question(n))) for n in (1, 2)]
        await asyncio.sleep(0.01)
        with pytest.raises(OverloadedError, match="2 questions are waiting"):
            await scoring.ask(question(3))
        recorded.free.set()
        await asyncio.gather(first, *waiting)

    with_recorded(path, test, waiting=2)


def test_schedules_to_draw_count_like_schedules(path):
    async def test(scoring, recorded):
        first = asyncio.create_task(scoring.ask(question(0)))
        await until(lambda: recorded.batches)
        drawn = [question(n) | {"schedules": [], "count": 600} for n in range(1, 4)]
        others = [asyncio.create_task(scoring.ask(one)) for one in drawn]
        await asyncio.sleep(0.01)
        recorded.free.set()
        await asyncio.gather(first, *others)
        assert recorded.batches == [[0], [1], [2], [3]]

    with_recorded(path, test)


def test_those_who_left_are_no_part_of_a_full_queue(path):
    async def test(scoring, recorded):
        first = asyncio.create_task(scoring.ask(question(0)))
        await until(lambda: recorded.batches)
        gone = [asyncio.create_task(scoring.ask(question(n))) for n in (1, 2)]
        await asyncio.sleep(0.01)
        for one in gone:
            one.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        last = asyncio.create_task(scoring.ask(question(3)))
        await asyncio.sleep(0)
        recorded.free.set()
        await asyncio.gather(first, last)
        assert recorded.batches == [[0], [3]]

    with_recorded(path, test, waiting=2)


def test_what_is_no_answer_costs_one_question(path):
    async def test(scoring, recorded):
        recorded.free.set()
        recorded.garbage = True
        with pytest.raises(CostModelError, match="fault of costmodel"):
            await scoring.ask(question(0))
        recorded.garbage = False
        assert await scoring.ask(question(1)) == {"number": 1}

    with_recorded(path, test)


def test_a_process_that_is_gone_is_started_outside_the_questions_time(path):
    async def test(scoring, recorded):
        recorded.free.set()
        before = recorded.woken
        await scoring.ask(question(0))
        assert recorded.woken == before + 1

    with_recorded(path, test)


def test_who_is_being_answered_or_waits_at_the_end_is_told_that_it_ends(path):
    async def test(scoring, recorded):
        asked = asyncio.create_task(scoring.ask(question(0)))
        await until(lambda: recorded.batches)
        waiting = asyncio.create_task(scoring.ask(question(1)))
        await until(lambda: scoring._waiting)
        closing = asyncio.create_task(scoring.close())
        with pytest.raises(UnreachableError, match="ending"):
            await asked
        recorded.free.set()
        with pytest.raises(UnreachableError, match="ending"):
            await waiting
        await closing

    with_recorded(path, test)


def test_a_process_that_cannot_start_says_why(path, tmp_path):
    async def run():
        scoring = Scoring(tmp_path / "none.sqlite", None, TARGET, ScoringOptions(1))
        try:
            await scoring.start()
        finally:
            await scoring.close()

    with pytest.raises(StoreError, match="there is no store"):
        asyncio.run(run())


def test_weights_that_are_none_end_the_start(path, tmp_path):
    async def run():
        scoring = Scoring(path, tmp_path / "none", TARGET, ScoringOptions(1))
        try:
            await scoring.start()
        finally:
            await scoring.close()

    with pytest.raises(UsageError, match="none"):
        asyncio.run(run())


@pytest.fixture(scope="module")
def answers(path):
    return Answers(path, None)


def response(answer):
    assert "error" not in answer, answer
    return pb.RankResponse.FromString(base64.b64decode(answer["message"]))


def test_questions_of_one_line_do_not_disturb_one_another(answers):
    bad = [
        PREDICT | {"source": {"mlir": "func.func @f(", "function": "", "file": "bad.mlir"}},
        RANK | {"schedules": [["iree", "[["]]},
        RANK | {"schedules": [["tvm", "{}"]]},
        {"kind": "rank"},
    ]
    alone = answers.answer([RANK])
    found = answers.answer([bad[0], RANK, *bad[1:], RANK])
    assert [("error" in one) for one in found] == [True, False, True, True, True, False]
    assert response(found[1]) == response(found[5]) == response(alone[0])
    assert found[0]["error"]["place"][:2] == ["bad.mlir", 1]
    assert found[2]["error"]["field"] == "schedules[0].text"
    assert found[3]["error"]["field"] == "schedules[0].backend"


def test_a_schedule_that_cannot_be_read_is_not_its_neighbours_fault(answers):
    drawn = [[one.schedule.backend, one.schedule.text]
             for one in response(answers.answer([RANK])[0]).schedules]  # fmt: skip
    good, bad = RANK | {"schedules": drawn}, RANK | {"schedules": [*drawn, ["iree", '{"a": 1}']]}
    found = answers.answer([good, bad, good])
    assert [("error" in one) for one in found] == [False, True, False]
    assert response(found[0]) == response(found[2])


def test_a_kernel_that_is_asked_for_again_is_not_read_again(answers):
    answers.answer([RANK])
    subject = answers._subjects.find(RANK)
    assert answers._subjects.find(RANK | {"seed": 7}) is subject
    assert subject.draw(4, 0) is subject.draw(4, 0)
    assert answers._subjects.find(PREDICT | {"backend": "tvm"}) is not subject


def test_drawings_that_are_too_many_are_not_kept(answers, monkeypatch):
    monkeypatch.setattr("costmodel.oracle.subjects._DRAWN", 3)
    subject = answers._subjects.find(RANK)
    assert len(subject.draw(5, 11)) == 5
    assert subject.draw(5, 11) is not subject.draw(5, 11)
