"""The local model of a program: what answers where nobody gives another."""

from __future__ import annotations

from collections.abc import Iterator

from costmodel.backends.tvm.features import feature_set
from costmodel.backends.tvm.versions import versions
from costmodel.metaschedule.programs import Program
from costmodel.metaschedule.workspace import Workspace
from costmodel.models.base import CostModel, Example
from costmodel.models.boosted import Boosted
from costmodel.models.by_backend import ByBackend
from costmodel.models.guard import Guarded
from costmodel.models.roofline import Roofline
from costmodel.records import Environment, Measurement
from costmodel.session import stored_examples

__all__ = ["local_model"]


def local_model(workspace: Workspace, program: Program, seed: int) -> CostModel:
    """The trained model where it reads the program, else XGBoost on what the store knows."""
    if program.session is not None:
        own = program.session.tally(workspace.store)
        return program.session.model(workspace.store, seed, own=own)
    examples = [*_of_kernels(workspace), *_of_programs(workspace, program)]
    return ByBackend({program.backend: Guarded(Boosted(examples, seed=seed), Roofline())})


def _of_kernels(workspace: Workspace) -> Iterator[Example]:
    """What ``costmodel tune`` measured of kernels in MLIR: their features are of the same kind."""
    toolchain = Environment(dict(versions()), {}).toolchain

    def measured(workload: str) -> Iterator[Measurement]:
        return workspace.store.measurements(
            workload=workload, target=workspace.target.hash, backend="tvm", toolchain=toolchain,
            policy=workspace.policy.hash,
        )  # fmt: skip

    name = feature_set(workspace.target)
    return stored_examples(workspace.store, measured, workspace.target, name)


def _of_programs(workspace: Workspace, program: Program) -> Iterator[Example]:
    """What was measured of TensorIR by MetaSchedule, this program's included."""
    key = workspace.key(program)

    def measured(workload: str) -> Iterator[Measurement]:
        fields = {**key.fields, "workload": workload}
        return workspace.store.measurements(**fields, policy=workspace.policy.hash)

    return stored_examples(workspace.store, measured, workspace.target, key.feature_set)
