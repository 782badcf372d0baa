"""The process that scores: one line of JSON with questions in, one with answers out.

It imports the compilers and the network, and reads the kernels of strangers: what kills it or takes
too long costs a restart and the question's asker an error (``costmodel.oracle.scoring``), never the
server. Questions of one line are answered together: schedules of one kernel go through the network
in one batch, whoever asked.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import resource
import sys
import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.asking import in_order
from costmodel.errors import CostModelError, InputError
from costmodel.oracle.convert import predict_to, schedule_to
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.subjects import TOGETHER, Subject, Subjects
from costmodel.records import Prediction, Schedule

__all__ = ["Answers", "main", "refusal"]

Question = Mapping[str, Any]
Answer = dict[str, Any]

_KERNEL = """func.func @main(%x: tensor<8x8xf32>, %y: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %sum = arith.addf %x, %y : tensor<8x8xf32>
  return %sum : tensor<8x8xf32>
}
"""


class Answers:
    """Answers questions; deterministic, and up to rounding the same, asked together or alone."""

    def __init__(self, store: Path, weights: Path | None) -> None:
        self._subjects = Subjects(store, weights)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer a question, in order; an error is an answer too."""
        answers: list[Answer | None] = [None] * len(questions)
        joined: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, question in enumerate(questions):
            try:
                if question["kind"] == "rank" and 0 < len(question["schedules"]) <= TOGETHER:
                    joined[self._subjects.key(question)].append(place)
                else:
                    answers[place] = self._alone(question)
            except Exception as error:  # whatever a kernel causes is its asker's alone
                answers[place] = refusal(error)
        for places in joined.values():
            sizes = {place: len(questions[place]["schedules"]) for place in places}
            for part in _parts(places, sizes):
                found = self._together([questions[place] for place in part])
                for place, one in zip(part, found, strict=True):
                    answers[place] = one
        return [one for one in answers if one is not None]

    def _alone(self, question: Question) -> Answer:
        kind = question["kind"]
        if kind == "ready":
            return {"toolchains": _toolchains()}
        if kind == "warm":
            self._warm(question["target"])
            gc.collect()
            gc.freeze()  # compilers and the network stay: to look through them takes 0.2 s
            return {}
        subject = self._subjects.find(question)
        if kind == "read":
            return _described(subject)
        if kind == "predict":
            result = subject.predict()
            return _described(subject) | _packed(predict_to(result, subject.target.hash))
        schedules = _schedules(question) or subject.draw(question["count"], question["seed"])
        return self._ranking(question, subject, schedules, subject.score(schedules))

    def _warm(self, target: Any) -> None:
        """Have the compilers imported before somebody waits for it."""
        source = {"mlir": _KERNEL, "function": "", "file": "<warm>"}
        question = {"kind": "rank", "source": source, "target": target, "backend": "auto",
                    "schedules": [], "count": 2, "seed": 0, "top": 0}  # fmt: skip
        self._alone(question | {"kind": "predict"})
        self._alone(question)

    def _together(self, questions: Sequence[Question]) -> list[Answer]:
        """Rankings of schedules of one kernel; where that fails, each question by itself."""
        try:
            subject = self._subjects.find(questions[0])
            listed = [_schedules(question) for question in questions]
            scored = subject.score([one for schedules in listed for one in schedules])
        except Exception as error:
            if len(questions) == 1:
                return [refusal(error)]
            return [answer for question in questions for answer in self._together([question])]
        found, start = [], 0
        for question, schedules in zip(questions, listed, strict=True):
            mine = scored[start : start + len(schedules)]
            found.append(self._ranking(question, subject, schedules, mine))
            start += len(schedules)
        return found

    def _ranking(
        self,
        question: Question,
        subject: Subject,
        schedules: Sequence[Schedule],
        predictions: Sequence[Prediction],
    ) -> Answer:
        given = bool(question["schedules"])
        order = in_order(schedules, predictions, subject.tally)
        response = pb.RankResponse(
            workload=subject.workload.hash,
            function=subject.workload.function,
            target=subject.session.target_name,
            backend=question["backend"],
            model=subject.model_name,
            notes=subject.notes,
            target_hash=subject.target.hash,
        )
        for rank, place in enumerate(order[: question["top"] or None], start=1):
            schedule, prediction = schedules[place], predictions[place]
            low, high = prediction.interval()
            measured = subject.tally.latency_us(schedule)
            response.schedules.add(
                rank=rank,
                index=place if given else 0,
                schedule=None if given else schedule_to(schedule),
                schedule_hash=schedule.hash,
                predicted_us=prediction.latency_us,
                low_us=low,
                high_us=high,
                measured_us=measured if np.isfinite(measured) else None,
                log_std=prediction.log_std,
            )
        return _described(subject) | _packed(response)


def _schedules(question: Question) -> list[Schedule]:
    return [Schedule(backend, text) for backend, text in question["schedules"]]


def _parts(places: Sequence[int], sizes: Mapping[int, int]) -> list[list[int]]:
    """Places in groups with up to as many schedules as the network reads all of."""
    parts: list[list[int]] = []
    room = 0
    for place in places:
        if sizes[place] > room:
            parts.append([])
            room = TOGETHER
        parts[-1].append(place)
        room -= sizes[place]
    return parts


def _packed(message: pb.PredictResponse | pb.RankResponse) -> Answer:
    return {"message": base64.b64encode(message.SerializeToString()).decode()}


def _described(subject: Subject) -> Answer:
    """What the server remembers of a text, so that it need not ask again."""
    workload = subject.workload
    return {"workload": asdict(workload) | {"hash": workload.hash}}


def _toolchains() -> dict[str, str]:
    """By backend, the hash of its versions: what measurements of today have in their key."""
    from costmodel.backends.registry import load
    from costmodel.records import Environment

    return {
        part.name: Environment(dict(part.versions()), {}).toolchain for part in load("auto").parts
    }


def refusal(error: Exception) -> Answer:
    """An error as an answer; one that nobody raised on purpose with its traceback."""
    if not isinstance(error, CostModelError):
        text = "".join(traceback.format_exception(error))
        return {"error": {"class": "", "message": f"unexpected {error!r}", "traceback": text}}
    place = error.location if isinstance(error, InputError) else None
    return {
        "error": {
            "class": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "field": getattr(error, "field", ""),
            "place": None if place is None else [place.file, place.line, place.column],
        }
    }


def main(store: str, weights: str, memory: str) -> None:
    """Answer lines until standard input ends; where it cannot, say why to the first and end."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "wb")  # what compilers print must not be among the answers
    os.dup2(2, 1)
    os.environ["OMP_NUM_THREADS"] = "1"

    def reply(found: list[Answer]) -> None:
        replies.write(json.dumps(found).encode() + b"\n")
        replies.flush()

    try:
        answers = Answers(Path(store), Path(weights) if weights else None)
        _warm(Path(weights) if weights else None)
    except CostModelError as error:
        sys.stdin.buffer.readline()
        reply([refusal(error)])
        return
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        _use_threads(asked["threads"])
        reply(answers.answer(asked["questions"]))


def _use_threads(count: int) -> None:
    """Have the network, if it has been imported, score in so many threads."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != count:
        torch.set_num_threads(count)


def _warm(weights: Path | None) -> None:
    """Import now what every question needs. Raises UsageError for weights that are none."""
    from costmodel.models.shipped import load, shipped_weights

    try:
        load(weights or shipped_weights())
    except (InputError, ModuleNotFoundError):
        if weights is not None:
            raise
