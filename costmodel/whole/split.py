"""The distinct dispatches of a model, and where each of their instances stands in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from costmodel.backends.iree.dispatches import find_dispatches
from costmodel.backends.iree.outline import Outlined, outline
from costmodel.backends.iree.schedules import Settings, Tiling
from costmodel.errors import InputError
from costmodel.ir import analyze, read_located
from costmodel.records import Workload

__all__ = ["Part", "combined", "split"]


@dataclass(frozen=True)
class Part:
    """A distinct dispatch as a workload of its own.

    ``instances`` gives, for each time that it runs in the model, the places in the model's
    canonical text of the operations at places in the dispatch's.
    """

    workload: Workload
    instances: tuple[Mapping[int, int], ...]

    @property
    def count(self) -> int:
        return len(self.instances)

    def in_model(self, settings: Settings) -> dict[int | str, Tiling]:
        """Tilings of the dispatch as tilings of the model: of its operations in all instances.

        What the compiler makes of an operation is found by its looks, wherever it stands.
        """
        placed: dict[int | str, Tiling] = {
            instance[place]: tiling
            for instance in self.instances
            for place, tiling in settings.roots.items()
            if place in instance
        }
        return placed | dict(settings.matched.items())


def split(model: Workload, *, flags: Mapping[str, str] | None = None) -> list[Part]:
    """The distinct dispatches that IREE forms of a model under flags, in order of appearance.

    What cannot be read as a kernel, such as copies, is left out. Raises BackendError where the
    compiler refuses the model.
    """
    workloads: dict[str, Workload] = {}
    instances: dict[str, list[Mapping[int, int]]] = {}
    for outlined in outline(model.text, find_dispatches(model.text, Settings(flags or {}))):
        found = None if outlined is None else _read(outlined)
        if found is not None:
            workload, places = found
            workloads.setdefault(workload.hash, workload)
            instances.setdefault(workload.hash, []).append(places)
    names = _names(list(workloads.values()), model.function)
    return [
        Part(replace(workload, function=name), tuple(instances[workload.hash]))
        for name, workload in zip(names, workloads.values(), strict=True)
    ]


def combined(flags: Mapping[str, str], parts: Sequence[tuple[Part, Settings]]) -> Settings:
    """The settings of a model whose dispatches are tiled as theirs say."""
    tilings: dict[int | str, Tiling] = {}
    for part, settings in parts:
        tilings |= part.in_model(settings)
    return Settings(flags).tiled(tilings)


def _read(outlined: Outlined) -> tuple[Workload, Mapping[int, int]] | None:
    try:
        workload, origin = read_located(outlined.text)
    except InputError:
        return None
    places = {
        place: outlined.places[source]
        for place, sources in origin.sources.items()
        for source in sources
        if source in outlined.places
    }
    return workload, places


def _names(workloads: Sequence[Workload], model: str) -> list[str]:
    """What each computes mostly, numbered where several do the same."""
    found, seen = [], Counter[str]()
    for workload in workloads:
        ops = analyze(workload).ops
        heaviest = max(ops, key=lambda op: op.flops, default=None)
        kind = heaviest.name.rpartition(".")[2] if heaviest else "copy"
        seen[kind] += 1
        found.append(f"{model}_{kind}_{seen[kind]}")
    return found
