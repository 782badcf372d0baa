"""What the process of a run tells the server, line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from costmodel.oracle.run_process import _LINE_BYTES
from costmodel.store.entries import Entry, FeaturesEntry, WorkloadEntry
from costmodel.store.lines import decode, encode
from tests.store import builders

#: Tells of the entries in a file.
_TELL = """
import json, sys
from pathlib import Path
from costmodel.oracle.following import Lines
from costmodel.store.lines import decode
given = [decode(fields) for fields in json.loads(Path(sys.argv[1]).read_text())]
Lines().send_kept(given)
"""


def told(folder: Path, entries: list[Entry]) -> list[bytes]:
    file = folder / "entries"
    file.write_text(json.dumps([encode(one) for one in entries]))
    found = subprocess.run(
        [sys.executable, "-c", _TELL, str(file)],
        stdin=subprocess.DEVNULL, capture_output=True, check=True,
    )  # fmt: skip
    return found.stdout.splitlines(keepends=True)


def test_much_that_was_measured_is_told_in_lines_that_the_server_takes(tmp_path: Path) -> None:
    """As where the run's own store had no room for a while, and is given all at the end."""
    entries: list[Entry] = [builders.measurement(error="x" * 4000) for _ in range(1000)]
    lines = told(tmp_path, entries)
    assert sum(map(len, lines)) > _LINE_BYTES
    assert max(map(len, lines)) < _LINE_BYTES
    assert [decode(one) for line in lines for one in json.loads(line)["kept"]] == entries


def test_what_the_server_knows_is_not_told(tmp_path: Path) -> None:
    """A kernel may be longer than any line."""
    workload = builders.workload()
    features = FeaturesEntry("set", workload.hash, builders.schedule(), builders.features(0))
    (line,) = told(tmp_path, [WorkloadEntry(workload, 1.0), features])
    assert [one["type"] for one in json.loads(line)["kept"]] == ["features"]
    assert told(tmp_path, [WorkloadEntry(workload, 1.0)]) == []
