"""What questions are about: kernels on targets, kept with their models while they are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from cachetools import LRUCache

from costmodel.asking import draw, expect
from costmodel.ir import analyze, check_tunable, locate_text
from costmodel.models.base import CostModel, Example
from costmodel.models.shipped import Trained
from costmodel.oracle.convert import FieldError
from costmodel.records import Measurement, Prediction, Schedule, SourceLocation, Target, Workload
from costmodel.results import PredictResult
from costmodel.session import Session
from costmodel.store import open_store
from costmodel.store.codec import target_from_json, workload_from_json
from costmodel.store.sqlite import SQLiteStore
from costmodel.tally import Tally

if TYPE_CHECKING:
    from costmodel.models.transformer.model import Transformer

__all__ = ["Subject", "Subjects"]

#: Kernels on targets whose encodings and models are kept, and characters of texts that were read.
_KEPT, _TEXTS = 64, 256 << 20
#: Drawn schedules of a kernel that are kept: to draw them takes longer than to score them.
_DRAWN = 8192
#: Scores of a kernel that are kept: the same ranking may be asked for again.
_SCORES = 2048
#: Up to so many schedules of one question the network reads all; those of several go together.
TOGETHER = 256
#: Seconds to wait for whoever holds the store.
_WAIT_S = 5.0
_NO_FEATURES = np.zeros((0, 0), np.float32)


class Subject:
    """A kernel on a target by a backend, and what the store knows of it.

    The trained model scores, at the level of what has been measured of this kernel. Where it does
    not know the target or the kernel, or does not read its schedules since they are of a transform
    script, the model of ``costmodel.rank`` does, which reads the scheduled programs and takes
    longer.
    """

    def __init__(self, session: Session, store: SQLiteStore) -> None:
        self.session, self._store = session, store
        self.workload, self.target = session.workload, session.target
        self.tally = Tally()
        self._number, self._version = 0, -1
        self._stand_in: CostModel | None = None
        self._drawn: LRUCache[tuple[int, int], list[Schedule]] = LRUCache(_DRAWN, getsizeof=len)

    @property
    def model_name(self) -> str:
        """Who scores."""
        trained = self._trained
        return trained.name if trained is not None else self._model.name

    @property
    def notes(self) -> list[str]:
        """What makes scores less sure than the model's card says."""
        reason = self.session.trained.reason
        return [reason] if reason else []

    @property
    def _trained(self) -> Transformer | None:
        """The trained model, where it reads the schedules."""
        chosen = self.session.trained
        if self.workload.script is not None or not isinstance(chosen, Trained):
            return None
        return chosen.model

    @property
    def _model(self) -> CostModel:
        if self._stand_in is None:
            # Of a session of its own: its trained model, if any, learns from the first again.
            self._stand_in = replace(self.session).model(self._store, 0, own=self.tally)
        return self._stand_in

    def refresh(self) -> bool:
        """Learn what has been measured since; False where something learned turned out wrong.

        That cannot be taken back: another subject has to be made.
        """
        version = self._store.version()
        if version == self._version:
            return True
        number, added = self._store.added_after(
            self._number, workload=self.workload.hash, target=self.target.hash
        )
        fresh = [one for one in added if self.session.counts(one)]
        if any(not one.ok and np.isfinite(self.tally.latency_us(one.schedule)) for one in fresh):
            return False
        if fresh:
            self._learn(fresh)
        self._number, self._version = number, version
        return True

    def _learn(self, fresh: Sequence[Measurement]) -> None:
        for measurement in fresh:
            self.tally.add(measurement)
        self._stand_in = None
        if self._trained is not None:
            self._trained.update([
                Example(self.session.query(one.schedule, _NO_FEATURES), one.latency_us)
                for one in fresh
                if np.isfinite(self.tally.latency_us(one.schedule))
            ])  # fmt: skip

    def predict(self) -> PredictResult:
        """As ``costmodel.predict`` says it."""
        return expect(self.session, self.tally.best_us)

    def draw(self, count: int, seed: int) -> list[Schedule]:
        """As ``costmodel.rank`` draws them. Raises UnsupportedError for what cannot be tuned."""
        found = self._drawn.get((count, seed))
        if found is None:
            check_tunable(self.workload)
            found = draw(self.session, count, seed)
            if len(found) <= _DRAWN:
                self._drawn[count, seed] = found
        return found

    def score(self, schedules: Sequence[Schedule]) -> list[Prediction]:
        """One prediction a schedule, in order. Raises InputError for what is no schedule."""
        parts = {part.name for part in self.session.backend.parts}
        for place, schedule in enumerate(schedules):
            if schedule.backend not in parts:
                raise FieldError(
                    f"schedules[{place}].backend",
                    f"no schedule of {schedule.backend!r} is known here",
                    hint=f"there are: {', '.join(sorted(parts))}",
                )
        try:
            return self._score(schedules)
        except Exception:
            for place, schedule in enumerate(schedules):  # whose fault it is
                _check_json(schedule.text, f"schedules[{place}].text")
            raise

    def _score(self, schedules: Sequence[Schedule]) -> list[Prediction]:
        model = self._trained
        if model is not None:
            if len(schedules) > TOGETHER:
                model.forget()  # the same question has the same answer
            found = model.predict([self.session.query(one, _NO_FEATURES) for one in schedules])
            model.forget(but=_SCORES)
            return found
        features = self.session.space.features(schedules)
        pairs = zip(schedules, features, strict=True)
        return self._model.predict([self.session.query(*pair) for pair in pairs])


def _check_json(text: str, field: str) -> None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FieldError(field, f"this is no JSON: {error}") from error
    if not isinstance(found, dict | list):
        raise FieldError(field, "this is no schedule: a schedule is a JSON object or list")


class Subjects:
    """Makes subjects of questions, and keeps those that were asked for last."""

    def __init__(self, store: Path, weights: Path | None) -> None:
        self._store = open_store(store, read_only=True, wait_s=_WAIT_S)
        self._weights = weights
        self._texts: LRUCache[str, tuple[Workload, SourceLocation]] = LRUCache(
            _TEXTS, getsizeof=lambda read: 1000 + len(read[0].text)
        )
        self._kept: LRUCache[tuple[str, ...], Subject] = LRUCache(_KEPT)

    def key(self, question: Mapping[str, Any]) -> tuple[str, ...]:
        """What makes two questions be about one subject."""
        return (_text_key(question["source"]), json.dumps(question["target"]), question["backend"])

    def find(self, question: Mapping[str, Any]) -> Subject:
        """The subject of a question, with all that the store knows.

        Raises InputError for a text, function, target or backend that cannot be used.
        """
        key = self.key(question)
        subject = self._kept.get(key)
        if subject is None or not subject.refresh():
            subject = self._kept[key] = self._make(question)
            subject.refresh()
        return subject

    def _make(self, question: Mapping[str, Any]) -> Subject:
        from costmodel.backends.registry import load
        from costmodel.records import TimingPolicy

        workload, place = self._read(question["source"])
        session = Session(
            place, workload, analyze(workload), _target(question["target"]),
            load(question["backend"]), TimingPolicy(), None, self._weights,
        )  # fmt: skip
        return Subject(session, self._store)

    def _read(self, source: Mapping[str, Any]) -> tuple[Workload, SourceLocation]:
        if "known" in source:
            fields = source["known"]
            return workload_from_json(fields["hash"], fields), SourceLocation("<text>")
        key = _text_key(source)
        found = self._texts.get(key)
        if found is None:
            workload, origin = locate_text(
                source["mlir"], file_name=source["file"], function=source["function"] or None
            )
            found = self._texts[key] = workload, origin.place
        return found


def _text_key(source: Mapping[str, Any]) -> str:
    """One for each text, function and file name, which errors call it."""
    if "known" in source:
        return str(source["known"]["hash"])
    parts = json.dumps([source["mlir"], source["function"], source["file"]])
    return hashlib.sha256(parts.encode()).hexdigest()


def _target(fields: Sequence[Any]) -> Target:
    hash, facts, rates = fields
    return target_from_json(hash, facts, rates)
