"""One model a backend behind one interface: their predictions are latencies, so they compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from costmodel.errors import BackendError
from costmodel.models.base import Example, Query
from costmodel.models.guard import Guarded
from costmodel.records import Prediction

__all__ = ["ByBackend"]


class ByBackend:
    """A ``CostModel`` that has the model of a schedule's backend answer and learn.

    Features of different backends have nothing in common, not even their width. Raises
    BackendError for a schedule of a backend that it has no model of.
    """

    def __init__(self, models: Mapping[str, Guarded]) -> None:
        self._models = dict(models)

    @property
    def name(self) -> str:
        return " and ".join(dict.fromkeys(model.name for model in self._models.values()))

    def ranked_by(self, workload: str) -> str:
        """Names of the models whose predictions of this workload (its hash) count now."""
        by_backend = {name: model.ranked_by(workload) for name, model in self._models.items()}
        names = set(by_backend.values())
        if len(names) == 1:
            return names.pop()
        return ", ".join(f"{model} ({backend})" for backend, model in by_backend.items())

    def reports(self, workload: str) -> list[str]:
        """What to tell the user about this workload: which model was switched off, and when."""
        alone = len(self._models) == 1
        found = [(name, model.report(workload)) for name, model in self._models.items()]
        return [text if alone else f"{name}: {text}" for name, text in found if text]

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query, in order."""
        answers: dict[int, Prediction] = {}
        for name, places in self._places(queries).items():
            predictions = self._models[name].predict([queries[place] for place in places])
            answers |= zip(places, predictions, strict=True)
        return [answers[place] for place in range(len(queries))]

    def knows(self, queries: Sequence[Query]) -> bool:
        """Whether each backend's model predicts its own by itself."""
        return all(
            self._models[name].knows([queries[place] for place in places])
            for name, places in self._places(queries).items()
        )

    def update(self, examples: Sequence[Example]) -> None:
        """Each model learns of its own backend."""
        for name, places in self._places([example.query for example in examples]).items():
            self._models[name].update([examples[place] for place in places])

    def _places(self, queries: Sequence[Query]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for place, query in enumerate(queries):
            found[query.candidate.schedule.backend].append(place)
        for name in found:
            if name not in self._models:
                raise BackendError(f"there is no model for the backend {name!r}")
        return found
