"""Several processes on one store, and processes that die. Real processes, no clocks asserted."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from costmodel.errors import StoreLockedError
from costmodel.store import open_store
from costmodel.store.lines import FORMAT
from tests.store import builders

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.store import builders
from costmodel.store import open_store

print("ready", flush=True)
sys.stdin.readline()
with open_store(Path(sys.argv[2])) as store:
    store.add_workload(builders.workload())
    store.add_target(builders.target())
    for number in range(int(sys.argv[3])):
        one = builders.measurement()
        store.add([one])
        print(one.id, flush=True)
print("done", flush=True)
sys.stdin.readline()
"""

ROOT = Path(__file__).parent.parent.parent


def start(path, count):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(ROOT), str(path), str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def test_processes_that_create_one_store_at_once_keep_everything(path):
    writers = [start(path, 40) for _ in range(4)]
    for each in writers:
        go(each)
    acknowledged = set()
    for each in writers:
        output, errors = each.communicate(timeout=120)
        assert each.returncode == 0, errors
        assert "locked" not in errors
        ids = output.split()
        assert ids.pop() == "done"
        acknowledged |= set(ids)
    assert len(acknowledged) == 160
    with open_store(path) as store:
        assert {each.id for each in store.measurements()} == acknowledged
        assert store.stats()["workloads"] == 1
        assert store.verify() == []


@pytest.mark.parametrize("seen", [1, 30, 200])
def test_what_was_acknowledged_survives_a_kill(path, seen):
    writer = start(path, 100_000)
    go(writer)
    acknowledged = [writer.stdout.readline().strip() for _ in range(seen)]
    writer.kill()
    rest = writer.stdout.read()  # what communicate() would leave in Python's own buffer
    writer.communicate(timeout=60)
    assert writer.returncode == -signal.SIGKILL
    acknowledged += rest[: rest.rfind("\n") + 1].split()
    with open_store(path) as store:
        found = {each.id for each in store.measurements()}
        assert found >= set(acknowledged)
        assert len(found) <= len(acknowledged) + 1
        assert store.verify() == []
        store.add([builders.measurement()])


def test_another_process_that_holds_the_store_is_named_after_the_wait(store, path, tmp_path):
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    given = builders.measurement()
    with (
        open_store(path, wait_s=0.2, rescue_dir=tmp_path / "out") as waiting,
        pytest.raises(StoreLockedError, match="another process") as caught,
    ):
        waiting.add([given])
    rescued = sorted(tmp_path.glob("costmodel-rescue-*.jsonl"))
    assert len(rescued) == 1
    assert str(rescued[0]) in caught.value.hint
    assert json.loads(rescued[0].read_text().splitlines()[0])["format"] == FORMAT
    assert list(store.measurements()) == []  # reading never waits
    holder.execute("ROLLBACK")
    holder.close()
    store.add([given])
    assert list(store.measurements()) == [given]


def test_a_writer_waits_for_a_short_transaction_of_another(store, path):
    import threading

    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: holder.execute("COMMIT"))
    release.start()
    assert store.add([builders.measurement()]) == 1
    release.join()
    holder.close()


def test_opening_an_existing_store_imports_no_sqlite_utils(store, path):
    code = (
        "import sys; from pathlib import Path; from costmodel.store import open_store; "
        f"s = open_store(Path({os.fspath(path)!r})); list(s.measurements()); "
        "heavy = {'sqlite_utils', 'tvm', 'iree', 'rich', 'xgboost'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
