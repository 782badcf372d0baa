import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from costmodel.store import open_store
from costmodel.store.sqlite import SQLiteStore
from tests.store import builders

pytest.register_assert_rewrite("tests.store.contract")

DATA = Path(__file__).parent.parent / "data" / "store"


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(path) -> Iterator[SQLiteStore]:
    """A store on disk with ``builders.workload()`` and ``builders.target()`` in it."""
    with open_store(path) as opened:
        opened.add_workload(builders.workload())
        opened.add_target(builders.target())
        yield opened


@pytest.fixture
def t4_file() -> Path:
    return DATA / "vector_add_T1000.json"


@pytest.fixture
def unprivileged(tmp_path):
    """A context in which permissions hold: root may write everywhere, so it steps down."""

    @contextlib.contextmanager
    def step_down() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        for place in [tmp_path, *tmp_path.parents]:
            if place.owner() == "root" and place != Path(place.anchor):
                place.chmod(place.stat().st_mode | 0o055)
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return step_down
