"""A disk that is full: nothing measured is lost, and the error says where it is."""

import os
import resource
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from costmodel.errors import StoreError, StoreFullError, StoreReadOnlyError
from costmodel.store import open_store
from costmodel.store.connection import Connection
from costmodel.store.failures import translated
from costmodel.store.rescue import Rescue, rescue_places
from costmodel.store.transfer import import_file
from tests.store import builders

ROOT = Path(__file__).parent.parent.parent

LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.store import builders
from costmodel.errors import StoreFullError
from costmodel.store import open_store

store = open_store(Path(sys.argv[2]), rescue_dir=Path(sys.argv[3]))
store.add_workload(builders.workload())
store.add_target(builders.target())
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
hint = ""
for number in range(1200):
    one = builders.measurement(*[1.0 + number] * 30)
    try:
        store.add([one])
    except StoreFullError as error:
        assert "were put in" in error.message, error
        hint = error.hint
    print(one.id, flush=True)
print(hint)
"""


def fill(store, limit=2000):
    """Add until it is full; returns what was given and the error."""
    given = []
    for number in range(limit):
        given.append(builders.measurement(*[1.0 + number] * 30))
        try:
            store.add(given[-1:])
        except StoreFullError as error:
            return given, error
    pytest.fail("the store never became full")


def rescue_files(hint):
    """The files that the command in the hint imports."""
    words = shlex.split(hint.removeprefix("then run: costmodel cache import "))
    assert words[-2] == "--store"
    return words[:-2]


def leave_pages(store, count):
    """Let the store grow by so many pages and no further."""
    pages = store._connection.query("PRAGMA page_count")[0][0]
    store._connection.query(f"PRAGMA max_page_count = {pages + count}")


def recover(path, files):
    """Import rescue files into a new store; returns the ids that are then in it."""
    with open_store(path) as store:
        for file in files:
            import_file(store, Path(file))
        assert store.verify() == []
        return {each.id for each in store.measurements()}


def test_file_size_limit(path, tmp_path):
    """The limit (EFBIG) hits the log of the store, and each rescue file in its turn."""
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-c", LIMITED, str(ROOT), str(path), str(out), str(600_000)]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=120,
        env={**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    *ids, hint = result.stdout.splitlines()
    files = rescue_files(hint)
    assert len(files) > 1
    assert all(os.path.getsize(file) <= 600_000 for file in files)
    assert all(Path(file).parent == out for file in files)
    with open_store(path) as store:
        kept = {each.id for each in store.measurements()}
        assert store.verify() == []
    assert 0 < len(kept) < 1200
    assert kept | recover(tmp_path / "new.sqlite", files) == set(ids)


def test_page_limit_then_room_again(store, path, tmp_path):
    leave_pages(store, 30)
    given, error = fill(store)
    assert "1 of 1 measurements were put in" in error.message
    files = rescue_files(error.hint)
    assert len(list(store.measurements())) == len(given) - 1  # reading goes on
    store._connection.query("PRAGMA max_page_count = 100000")
    for file in files:
        added = import_file(store, Path(file))
        assert added["measurements"] == 1
        Path(file).unlink()
    assert list(store.measurements()) == given


def test_a_batch_is_rescued_whole(store, tmp_path):
    store._rescue = Rescue(tmp_path / "out")
    leave_pages(store, 8)
    given = [builders.measurement(*[1.0] * 30) for _ in range(500)]
    with pytest.raises(StoreFullError, match="500 of 500 measurements") as caught:
        store.add(given)
    assert list(store.measurements()) == []  # one transaction: all or nothing
    with pytest.raises(StoreFullError) as again:
        store.add([builders.measurement(*[1.0] * 30) for _ in range(200)])
    assert again.value.hint == caught.value.hint  # the same file goes on
    [file] = tmp_path.glob("costmodel-rescue-*.jsonl")
    found = recover(tmp_path / "new.sqlite", [file])
    assert len(found) == 700
    assert {each.id for each in given} <= found


def cut_off(monkeypatch):
    """Have SQLite say that the file cannot be opened, as where a network file system went away."""

    def begin(self):
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        with translated("store"):
            raise error

    monkeypatch.setattr(Connection, "transaction", begin)


@pytest.mark.parametrize("kind", [StoreError, StoreReadOnlyError])
def test_whatever_refuses_a_measurement_it_is_rescued(path, store, tmp_path, monkeypatch, kind):
    given = [builders.measurement() for _ in range(3)]
    with open_store(path, read_only=kind is StoreReadOnlyError) as other:
        other._rescue = Rescue(tmp_path / "out")
        if kind is StoreError:
            cut_off(monkeypatch)
        for _ in range(2):  # whoever offers them again doubles nothing
            with pytest.raises(kind, match="3 of 3 measurements were put in") as caught:
                other.add(given)
    assert type(caught.value) is kind
    monkeypatch.undo()
    [file] = map(Path, rescue_files(caught.value.hint))
    assert file.read_text().count('"type":"measurement"') == 3
    assert recover(tmp_path / "new.sqlite", [file]) == {each.id for each in given}


def test_what_nothing_could_import_is_not_rescued(store, tmp_path):
    store._rescue = Rescue(tmp_path / "out")
    with pytest.raises(StoreError, match="workload or target"):
        store.add([builders.measurement(workload="0" * 64)])
    assert list(tmp_path.glob("costmodel-rescue-*")) == []


def test_a_full_file_system(tmp_path):
    """ENOSPC from a real one, where one of a megabyte can be mounted."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "costmodel-test", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root; the file-size limit test covers it")
    try:
        with open_store(small / "store.sqlite", rescue_dir=small / "out") as store:
            store.add_workload(builders.workload())
            store.add_target(builders.target())
            given, error = fill(store)
            files = rescue_files(error.hint)
            rescued = recover(tmp_path / "new.sqlite", files)
            for file in files:
                Path(file).unlink()
            kept = {each.id for each in store.measurements()}
        assert kept | rescued == {each.id for each in given}
        assert rescued
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_places_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    out = tmp_path / "out"
    places = rescue_places(out)
    assert places[:2] == [out, tmp_path]
    assert places[-2:] == [Path("/dev/shm"), Path("/home/someone")]


def test_a_place_that_refuses_is_passed_over(tmp_path):
    (tmp_path / "out").write_text("a file, not a directory")
    rescue = Rescue(tmp_path / "out")
    assert rescue.write([builders.measurement()]) == []
    [file] = rescue.files
    assert file.parent == tmp_path
    assert file.stat().st_mode & 0o077 == 0


def test_a_record_is_written_whole_or_not_at_all(tmp_path):
    rescue = Rescue(tmp_path)
    assert rescue.write([builders.measurement()]) == []
    [first] = rescue.files
    whole = first.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 100, limits[1]))
    try:
        lost = rescue.write([builders.measurement(*[1.0] * 200)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(lost) == 1
    assert rescue.files == [first]
    assert first.read_bytes() == whole
