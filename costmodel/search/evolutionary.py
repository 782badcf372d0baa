"""Evolutionary search over a learned cost model, as MetaSchedule and Ansor search.

Parents are the best schedules measured; their mutations and fresh random samples are scored by
the cost model, the survivors are mutated again, and the most promising are asked. Against the
originals it is frugal, since making one schedule costs 10 to 50 ms: populations are small, what
was scored and not asked stays for the next batch, and nothing is asked twice.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from costmodel.backends.base import Features, SearchSpace
from costmodel.errors import UsageError
from costmodel.models.base import CostModel, Example, Query
from costmodel.records import Candidate, Prediction, Schedule, Target, Workload
from costmodel.search.acquisition import expected_improvement, pick_diverse, signatures
from costmodel.search.base import Result
from costmodel.search.history import History

__all__ = ["EvolutionaryOptions", "EvolutionarySearch"]

#: Schedules of each backend that are mutated, be they among the fastest of all or not.
_OWN_PARENTS = 4


@dataclass(frozen=True)
class EvolutionaryOptions:
    """Options of EvolutionarySearch."""

    #: New schedules made in the first generation of a batch.
    population: int = 32
    #: Generations a batch; later ones are half the population.
    generations: int = 2
    #: Schedules that a generation mutates.
    parents: int = 12
    #: Share of new schedules made by mutation, once some are known.
    mutation: float = 0.85
    #: Share of a batch that is random whatever the model says.
    exploration: float = 0.1
    #: Share of the chosen that each of several backends gets at the least, by how many times
    #: slower than the best its best is.
    floors: tuple[tuple[float, float], ...] = ((1.5, 0.3), (3.0, 0.15))
    #: How unlike schedules of one batch must be, in deviations.
    radius: float = 0.15
    #: Scored schedules kept for later batches.
    keep: int = 192
    #: Relative noise of a measurement: gains below it are none.
    noise: float = 0.01
    #: Batches in a row without expected gain that end the search.
    patience: int = 4
    #: Measurements made before the search may end by itself.
    minimum: int = 64

    def __post_init__(self) -> None:
        for name in ("population", "generations", "parents", "keep", "patience"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("mutation", "exploration"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is a share from 0 to 1, not {getattr(self, name)}")
        for name in ("radius", "noise", "minimum"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} cannot be negative: {getattr(self, name)}")


@dataclass(frozen=True)
class _Scored:
    """A schedule that may be asked, with what the space has computed of it."""

    schedule: Schedule
    query: Query

    @property
    def features(self) -> Features:
        return self.query.features


class EvolutionarySearch:
    """Ask/tell evolutionary search; a ``SearchStrategy``, deterministic for its seed.

    Tells the model what it is told, in one update before the next batch. ``known`` are earlier
    measurements of this workload: never asked again, parents from the start, and told to the model
    before anything is asked of it. ``features`` are those of known schedules, by hash, which then
    need not be made again.
    """

    def __init__(
        self,
        space: SearchSpace,
        model: CostModel,
        workload: Workload,
        target: Target,
        *,
        seed: int = 0,
        known: Sequence[Result] = (),
        features: Mapping[str, Features] = MappingProxyType({}),
        options: EvolutionaryOptions | None = None,
    ) -> None:
        self.options = options or EvolutionaryOptions()
        self.noise = self.options.noise
        self._space, self._model = space, model
        self._workload, self._target = workload, target
        self._rng = random.Random(seed)
        self._history = History(space, known)
        self._pool: dict[str, _Scored] = {}
        self._asked: dict[str, _Scored] = {}
        self._predictions: dict[str, Prediction] = {}
        self._explored: set[str] = set()
        self._guessed: set[str] = set()
        self._features = features
        self._untaught: list[Result] = list(known)
        self._gains: list[float] = []

    def ask(self, count: int) -> list[Schedule]:
        """Up to ``count`` schedules, none ever asked before; fewer when the space runs out.

        The first batch has the untuned default and some of the space's guesses. ``exploration``
        of each batch (at least one, of batches of eight and more) is random; the rest is chosen
        by expected improvement.
        """
        if count < 1:
            return []
        self._teach()
        first = self._space.default()
        batch = self._take(self._score([first])) if first not in self._history else []
        if batch:
            guesses = [g for g in self._space.guesses() if g not in self._history]
            guessed = self._take(self._score(guesses[: (count - 1) // 2]))
            self._guessed |= {s.schedule.hash for s in guessed}
            batch += guessed
        room = count - len(batch)
        explored = self._take(self._explore(room))
        chosen = self._take(self._exploit(room - len(explored)))
        batch += chosen + explored
        if len(batch) < count:
            fresh = self._history.fresh(count - len(batch), self._rng)
            filled = self._take(self._score(fresh))
            explored += filled
            batch += filled
        self._explored |= {s.schedule.hash for s in explored}
        self._remember(batch)
        return [s.schedule for s in batch]

    def tell(self, results: Iterable[Result]) -> None:
        """Latencies in microseconds, infinite for failures; also of schedules never asked.

        Raises ValueError for a latency that is not positive.
        """
        self._untaught += self._history.tell(results)

    def done(self) -> bool:
        """True when the space ran out, or no candidate promises a gain above ``noise``.

        The latter only after ``minimum`` measurements and ``patience`` batches in a row.
        """
        if self.exhausted:
            return True
        recent = self._gains[-self.options.patience :]
        return (
            self._history.told >= self.options.minimum
            and len(recent) == self.options.patience
            and max(recent) < self.noise
        )

    @property
    def exhausted(self) -> bool:
        """Whether the space ran out: no draw gives anything new, and nothing made is left."""
        return self._history.exhausted and not self._pool and not self._history.pending

    def is_exploratory(self, schedule: Schedule) -> bool:
        """Whether a schedule was asked at random, whatever the model said of it."""
        return schedule.hash in self._explored

    def is_guess(self, schedule: Schedule) -> bool:
        """Whether a schedule was asked because the space guessed it, not the model."""
        return schedule.hash in self._guessed

    def prediction(self, schedule: Schedule) -> Prediction | None:
        """What the model said of a schedule when it was asked: for predicted against measured."""
        return self._predictions.get(schedule.hash)

    def _teach(self) -> None:
        news, self._untaught = sorted(self._untaught, key=lambda r: r[0].hash), []
        scored = {s.schedule.hash: s for s in self._asked.values()}
        missing = [s for s, _ in news if s.hash not in scored]
        scored |= {s.schedule.hash: s for s in self._score(missing)}
        if news:
            self._model.update([Example(scored[s.hash].query, latency) for s, latency in news])
        for schedule, _ in news:
            self._pool.pop(schedule.hash, None)

    def _explore(self, room: int) -> list[_Scored]:
        wanted = room * self.options.exploration
        share = int(wanted) + (self._rng.random() < wanted - int(wanted))
        if room >= 8 and self.options.exploration > 0:
            share = max(1, share)
        fresh = self._history.fresh(share, self._rng) if share else []
        return self._score(fresh)

    def _exploit(self, count: int) -> list[_Scored]:
        if count < 1:
            return []
        for generation in range(self.options.generations):
            size = max(1, self.options.population // (1 if generation == 0 else 2))
            made = self._breed(size) if generation else self._found(size)
            self._pool |= {s.schedule.hash: s for s in made}
            if not made:
                break
        pool = list(self._pool.values())
        predictions = self._model.predict([s.query for s in pool])
        gains = expected_improvement(predictions, self._history.best_us)
        self._gains.append(float(gains.max()) if len(gains) else 0.0)
        points = signatures([s.features for s in pool])
        picked = pick_diverse(
            gains, points, count, radius=self.options.radius,
            groups=[s.schedule.backend for s in pool], least=self._least(count),
        )  # fmt: skip
        left = sorted(set(range(len(pool))) - set(picked), key=lambda i: (-gains[i], i))
        self._pool = {pool[i].schedule.hash: pool[i] for i in left[: self.options.keep]}
        return [pool[i] for i in picked]

    def _least(self, count: int) -> dict[str, int]:
        """Of ``count`` choices, how many each of several backends gets whatever is expected of it.

        A model that has seen little of a backend is sure of what it has seen: expected gains then
        starve the one whose first guesses were worse. What is hopeless by now gets nothing.
        """
        if len(self._space.parts) < 2:
            return {}
        found = {}
        for name in self._space.parts:
            best = self._history.best(1, backend=name)
            behind = best[0][1] / self._history.best_us if best else 1.0
            share = next((part for limit, part in self.options.floors if behind <= limit), 0.0)
            found[name] = int(count * share)
        return found

    def _found(self, size: int) -> list[_Scored]:
        """First generation: mutations of the best measured, and fresh samples."""
        parents = [schedule for schedule, _ in self._history.best(self.options.parents)]
        for name in [name for name, number in self._least(size).items() if number]:
            own = [one for one, _ in self._history.best(_OWN_PARENTS, backend=name)]
            parents += [one for one in own if one not in parents]
        mutants = self._mutate(parents, round(size * self.options.mutation)) if parents else []
        taken = {s.hash for s in mutants}
        fresh = [
            s
            for s in self._history.fresh(size - len(mutants), self._rng)
            if s.hash not in taken and s.hash not in self._pool
        ]
        return self._score(mutants + fresh)

    def _breed(self, size: int) -> list[_Scored]:
        """Later generations: mutations of what the model likes most, measured or not."""
        pool = list(self._pool.values())
        predictions = self._model.predict([s.query for s in pool])
        gains = expected_improvement(predictions, self._history.best_us)
        order = np.argsort(-gains, kind="stable")[: self.options.parents]
        return self._score(self._mutate([pool[i].schedule for i in order], size))

    def _mutate(self, parents: Sequence[Schedule], count: int) -> list[Schedule]:
        """Up to ``count`` new mutations; better parents, which come first, have more children."""
        weights = [1.0 / (rank + 2) for rank in range(len(parents))]
        children: dict[str, Schedule] = {}
        for _ in range(2 * count):
            if len(children) >= count or not parents:
                break
            parent = self._rng.choices(parents, weights)[0]
            child = self._space.mutate(parent, self._rng)
            if child is not None and child not in self._history and child.hash not in self._pool:
                children.setdefault(child.hash, child)
        return list(children.values())

    def _score(self, schedules: Sequence[Schedule]) -> list[_Scored]:
        if not schedules:
            return []
        missing = [s for s in schedules if s.hash not in self._features]
        made = self._space.features(missing) if missing else []
        features = {**self._features, **{s.hash: f for s, f in zip(missing, made, strict=True)}}
        return [
            _Scored(s, Query(Candidate(self._workload, s, self._target), features[s.hash]))
            for s in schedules
        ]

    def _take(self, batch: list[_Scored]) -> list[_Scored]:
        self._history.ask([s.schedule for s in batch])
        for scored in batch:
            self._asked[scored.schedule.hash] = scored
            self._pool.pop(scored.schedule.hash, None)
        return batch

    def _remember(self, batch: Sequence[_Scored]) -> None:
        predictions = self._model.predict([s.query for s in batch]) if batch else []
        for scored, prediction in zip(batch, predictions, strict=True):
            self._predictions[scored.schedule.hash] = prediction
