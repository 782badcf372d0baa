"""A filled store, and the application on it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard import realistic

Get = Callable[..., Any]


@pytest.fixture(scope="session")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return realistic.fill(tmp_path_factory.mktemp("filled") / "store.sqlite")


@pytest.fixture
def path(_filled: Path, tmp_path: Path) -> Path:
    """A store of the test's own."""
    return Path(shutil.copy(_filled, tmp_path / "store.sqlite"))


@pytest.fixture
def ask(path: Path) -> Iterator[Get]:
    """Ask the application, in this process, for one address after the other."""
    from costmodel.dashboard.app import make_dashboard

    with asyncio.Runner() as runner:
        dashboards = []

        def get(address: str, *, of: Path = path, method: str = "GET", **options: Any) -> Any:
            async def request() -> Any:
                if not dashboards or dashboards[-1].board.path != of:
                    dashboards.append(make_dashboard(of, patience_s=60))
                return await dashboards[-1].client.request(method, address, **options)

            return runner.run(request())

        yield get
        for dashboard in dashboards:
            dashboard.close()
