"""The file of a run's events, on a disk that has no room."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from costmodel.oracle.events import Events
from costmodel.oracle.proto import oracle_pb2 as pb

#: Writes an event that has room for 19 bytes alone, then, when there is room again, another.
_FULL = """
import resource, signal, sys
from pathlib import Path
from costmodel.oracle.events import Events
from costmodel.oracle.proto import oracle_pb2 as pb

path = Path(sys.argv[1])
events = Events(path)
events.begin()
events.add(pb.TuneEvent(phase="before"))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 19, most))
try:
    events.add(pb.TuneEvent(phase="x" * 100))
except OSError as error:
    print(error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
events.add(pb.TuneEvent(phase="after"))
"""


def test_an_event_that_there_is_no_room_for_damages_none(tmp_path: Path) -> None:
    path = tmp_path / "events"
    found = subprocess.run(
        [sys.executable, "-c", _FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert found.stdout == "File too large\n"

    async def read() -> list[pb.TuneEvent]:
        return [event async for event in Events(path).watch(0)]

    events = asyncio.run(read())
    assert [event.phase for event in events] == ["before", "after"]
    assert [event.number for event in events] == [0, 1]
