"""What tests of the tuning loop share."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import cloudpickle
import pytest

import costmodel
from costmodel.backends.iree.compiler import compile_workload
from costmodel.backends.registry import BACKENDS
from costmodel.records import Measurement, Workload
from costmodel.store import open_store

#: The trained model takes seconds to import: tests that are not about it do without.
os.environ["COSTMODEL_WEIGHTS"] = "none"

#: Folders with the longest tests, which begin first: at the end no process has one to itself.
_LONG = ("e2e", "datasets", "oracle", "cli", "learning", "whole", "metaschedule", "dashboard")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first; stable, so that the tests of a file stay together."""

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return _LONG.index(folder) if folder in _LONG else len(_LONG)

    items.sort(key=place)


@pytest.fixture(scope="session")
def load_picklable() -> Iterator[Callable[[Path, str], ModuleType]]:
    """Loads a module that is in no package, so that worker processes can unpickle its classes."""
    loaded: list[ModuleType] = []

    def load(path: Path, name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        cloudpickle.register_pickle_by_value(module)
        loaded.append(module)
        return module

    yield load
    for module in loaded:
        cloudpickle.unregister_pickle_by_value(module)
        del sys.modules[module.__name__]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Workload], Path]:
    """What IREE makes of a workload by its defaults, once for all processes of the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    folder.mkdir(exist_ok=True)

    def compile_once(workload: Workload) -> Path:
        library = folder / f"{workload.hash}.vmfb"
        if not library.exists():  # it appears when it is complete
            compile_workload(workload, library, timeout_s=120)
        return library

    return compile_once


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python's own handling of SIGINT, which a shell switches off in what it runs beside itself."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def scripted(load_picklable: Callable[[Path, str], ModuleType]) -> ModuleType:
    """A backend whose kernels are right and claim the latencies that a test gives."""
    return load_picklable(Path(__file__).with_name("scripted.py"), "scripted")


@pytest.fixture
def tune(
    scripted: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., costmodel.TuneResult]:
    """``costmodel.tune`` with the scripted backend and a store of the test's own."""

    def call(
        latencies: tuple[float, ...] = scripted.VALLEY,
        *,
        rows: int = 16,
        backend: Mapping[str, Any] = MappingProxyType({}),
        **options: Any,
    ) -> costmodel.TuneResult:
        chosen = scripted.ScriptedBackend({rows: latencies}, **backend)
        monkeypatch.setitem(BACKENDS, "scripted", lambda: chosen)
        # The final sleeps between kernels; five rounds of a clock that never errs are enough.
        monkeypatch.setattr("costmodel.final._SECONDS", 0.1)
        options.setdefault("store", tmp_path / "store.sqlite")
        return costmodel.tune(scripted.kernel_text(rows), backend="scripted", **options)

    return call


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., list[Measurement]]:
    """What a store holds, by default the one of ``tune``; it must be sound."""

    def read(path: Path = tmp_path / "store.sqlite") -> list[Measurement]:
        with open_store(path, read_only=True) as store:
            assert store.verify() == []
            return list(store.measurements())

    return read
