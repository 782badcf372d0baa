"""Which trained model answers: that of the package or of a folder, where it can."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.errors import UsageError
from costmodel.interrupts import uninterrupted

if TYPE_CHECKING:
    from costmodel.models.transformer.model import Transformer
    from costmodel.models.transformer.weights import Weights
    from costmodel.records import Target, Workload

__all__ = ["WEIGHTS_VARIABLE", "Trained", "choose", "load", "shipped_weights"]

#: Names the folder of the weights that are used by default, or is "none".
WEIGHTS_VARIABLE = "COSTMODEL_WEIGHTS"

_FOLDER = Path(__file__).with_name("weights")
#: As ``transformer.weights.FACTS``, which takes a second to import.
_FACTS = "costmodel.json"


def shipped_weights() -> Path:
    """The folder of the weights that are used by default.

    Raises UsageError where the package brings none, or they are switched off.
    """
    named = os.environ.get(WEIGHTS_VARIABLE)
    if named == "none":
        raise UsageError(
            f"${WEIGHTS_VARIABLE} switches the weights off", hint="name some: --weights DIR"
        )
    folder = Path(named).expanduser() if named else _FOLDER
    if not named and not (folder / _FACTS).is_file():
        raise UsageError(
            "this package brings no weights",
            hint="name some: --weights DIR, from `costmodel train`",
        )
    return folder


def load(folder: Path) -> Weights:
    """The weights in a folder, read once. Raises UsageError where there are none that can be."""
    facts = folder.resolve() / _FACTS
    return _load(folder.resolve(), facts.stat().st_mtime_ns if facts.is_file() else 0)


@lru_cache(maxsize=4)
def _load(folder: Path, changed: int) -> Weights:
    with uninterrupted():  # the libraries that it needs
        import costmodel.models.transformer.model  # noqa: F401
        from costmodel.models.transformer.weights import load_weights

    return load_weights(folder)


@dataclass(frozen=True)
class Trained:
    """The trained model where it reads what is asked about, else why it does not.

    With a model ``reason`` says why it is to be trusted less than its card says.
    """

    model: Transformer | None
    reason: str = ""


def choose(
    workload: Workload, target: Target, backends: set[str], weights: Path | None = None
) -> Trained:
    """The model of ``weights``, by default those of the package, for a workload on a target.

    Raises UsageError for weights that were named and cannot be used. A package without weights
    chooses none, and says nothing.
    """
    try:
        folder = weights or shipped_weights()
    except UsageError:
        return Trained(None)
    try:
        loaded = load(folder)
    except ModuleNotFoundError as error:
        if weights is not None:
            raise UsageError(
                f"the trained model in {weights} needs {error.name}, which is not installed",
                hint="install it, or ask a server that has it: --oracle HOST:PORT",
            ) from error
        return Trained(None, f"the trained model needs {error.name}, which is not installed: the "
                       "roofline predicts in its place")  # fmt: skip
    from costmodel.models.transformer.model import Transformer
    from costmodel.models.transformer.sites import BACKENDS
    from costmodel.models.transformer.weights import familiar

    if not familiar(target, loaded.targets):
        known = ", ".join(sorted({f"{t.arch} with {t.vector_bytes}-byte vectors"
                                  for t in loaded.targets}))  # fmt: skip
        return Trained(None, f"the trained model knows {known}, and this target is another: the "
                      "roofline predicts in its place")  # fmt: skip
    if not backends <= set(BACKENDS):
        return Trained(None)
    unlearned = backends - set(loaded.training.get("backends", BACKENDS))
    if unlearned:
        return Trained(None, f"the trained model has learned no schedules of "
                       f"{' or '.join(sorted(unlearned))}: the roofline predicts in its "
                       "place")  # fmt: skip
    model = Transformer(loaded)
    reason = model.why_not(workload, target, backends)
    if reason:
        return Trained(None, f"{reason}: the roofline predicts in its place")
    return Trained(model, _caveat(workload, target, backends, loaded))


def _caveat(workload: Workload, target: Target, backends: set[str], weights: Weights) -> str:
    """What makes predictions worse than the card says; empty where nothing does."""
    said = [_caveat_of_target(target, weights)]
    if backends and workload.script is not None:
        said.append("the trained model does not read transform scripts: XGBoost alone ranks theirs")
    return "; ".join(filter(None, said))


def _caveat_of_target(target: Target, weights: Weights) -> str:
    from costmodel.models.roofline import rates_are_known

    if not rates_are_known(target):
        return ("the machine's rates are assumed, so that predictions are less sure: `costmodel "
                "doctor` measures them")  # fmt: skip
    threads = {one.threads for one in weights.targets}
    if target.threads not in threads:
        known = " or ".join(map(str, sorted(threads)))
        return (f"the trained model learned from {known} threads: what it says of "
                f"{target.threads} is a guess")  # fmt: skip
    return ""
