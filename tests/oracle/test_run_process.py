"""A run's process as the server hears it: all that it said, and no more than it has to say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from costmodel.errors import CostModelError
from costmodel.oracle import run_process
from costmodel.oracle.run_process import RunProcess
from tests.oracle.running import PATIENCE_S

#: Says something in a hurry, and ends.
_HASTY = """
import sys
sys.stdin.readline()
for number in range(20):
    print('{"phase": "%s"}' % number)
print('{"end": ""}', flush=True)
"""
#: Goes on and on.
_ENDLESS = """
while True:
    print("{}")
"""
#: Ends within a line, while another process holds its pipe.
_CUT_OFF = """
import os, time
print('{"phase": "first"}\\n{"phase": "sec', end="", flush=True)
if not os.fork():
    time.sleep(600)
"""


async def hear(process: RunProcess, *, slowly_s: float = 0.0, most: int = 1 << 30) -> list[Any]:
    heard: list[Any] = []

    async def take(message: Any) -> None:
        await asyncio.sleep(slowly_s)
        heard.append(message)

    await process.start({})
    async with asyncio.timeout(PATIENCE_S):
        await process.hear(3600.0, most, take)
    return heard


@pytest.fixture
def process(tmp_path: Path) -> RunProcess:
    return RunProcess(tmp_path / "work", tmp_path / "stderr", grace_s=0.2)


def test_what_was_said_before_the_end_is_heard_however_long_that_takes(
    process: RunProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where somebody holds the store, in which all of it is kept."""
    monkeypatch.setattr(run_process, "_BOOT", _HASTY)
    heard = asyncio.run(hear(process, slowly_s=0.05))
    assert heard == [*({"phase": str(number)} for number in range(20)), {"end": ""}]


def test_a_line_that_was_cut_off_is_not_waited_for(
    process: RunProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_process, "_BOOT", _CUT_OFF)
    assert asyncio.run(hear(process)) == [{"phase": "first"}]


def test_who_goes_on_and_on_is_ended(process: RunProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little each line has."""
    monkeypatch.setattr(run_process, "_BOOT", _ENDLESS)
    with pytest.raises(CostModelError, match="more than it has to say"):
        asyncio.run(hear(process, most=1 << 20))


def test_it_is_ended_once(process: RunProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look for what is left takes a look at all processes."""
    looked: list[Path] = []
    end_strays = run_process._end_strays

    def counted(folder: Path) -> None:
        looked.append(folder)
        end_strays(folder)

    async def scene() -> None:
        await hear(process)
        assert await process.end() == await process.end() == 0

    monkeypatch.setattr(run_process, "_BOOT", _HASTY)
    monkeypatch.setattr(run_process, "_end_strays", counted)
    asyncio.run(scene())
    assert len(looked) == 1
