"""Finding, creating, upgrading and refusing stores."""

import os
import sqlite3
from pathlib import Path

import pytest
import sqlite_utils.migrations  # noqa: F401  imported before any test steps down from root
from sqlite_utils import Database

from costmodel.errors import (
    StoreCorruptError,
    StoreError,
    StoreReadOnlyError,
    StoreVersionError,
)
from costmodel.store import default_path, open_store
from costmodel.store.connection import APPLICATION_ID, SCHEMA_VERSION
from costmodel.store.schema import MIGRATIONS
from tests.store import builders


def filled(path, count=1):
    with open_store(path) as store:
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        store.add(builders.measurement() for _ in range(count))


def test_the_environment_names_the_default(monkeypatch, tmp_path):
    monkeypatch.setenv("COSTMODEL_STORE", str(tmp_path / "deep" / "er" / "mine.db"))
    assert default_path() == tmp_path / "deep" / "er" / "mine.db"
    with open_store() as store:
        assert store.path == default_path()
    assert default_path().exists()


def test_the_default_is_in_the_users_data_directory(monkeypatch, tmp_path):
    monkeypatch.delenv("COSTMODEL_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "costmodel" / "store.sqlite"


def test_reading_a_default_that_is_not_there_is_empty_and_creates_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("COSTMODEL_STORE", str(tmp_path / "new" / "mine.db"))
    with open_store(read_only=True) as store:
        assert list(store.measurements()) == []
    assert list(tmp_path.iterdir()) == []


def test_reading_a_named_store_that_is_not_there_is_refused(path):
    with pytest.raises(StoreError, match="no store"):
        open_store(path, read_only=True)
    assert not path.exists()


def test_write_ahead_log_and_foreign_keys(path):
    filled(path)
    with sqlite3.connect(path) as conn:
        assert conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert conn.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        parents = conn.execute("PRAGMA foreign_key_list(measurements)").fetchall()
    conn.close()
    assert {row[2] for row in parents} == {
        "workloads", "targets", "environments", "policies", "schedules",
    }  # fmt: skip


def test_awkward_names_are_only_names(tmp_path):
    path = tmp_path / "a b?mode=memory#c%20é.sqlite"
    filled(path)
    assert path.exists()
    with open_store(path, read_only=True) as store:
        assert store.stats()["measurements"] == 1


def test_an_empty_file_becomes_a_store(path):
    path.touch()
    filled(path)
    with open_store(path, read_only=True) as store:
        assert store.verify() == []


@pytest.mark.parametrize("read_only", [True, False])
class TestRefused:
    def test_directory(self, tmp_path, read_only):
        with pytest.raises(StoreError, match="directory"):
            open_store(tmp_path, read_only=read_only)

    def test_below_a_file(self, tmp_path, read_only):
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreError):
            open_store(tmp_path / "file" / "store.sqlite", read_only=read_only)

    def test_pipe(self, path, read_only):
        os.mkfifo(path)
        with pytest.raises(StoreError, match="regular file"):
            open_store(path, read_only=read_only)

    def test_text(self, path, read_only):
        path.write_text("this is no database\n" * 100)
        with pytest.raises(StoreCorruptError, match="no SQLite database"):
            open_store(path, read_only=read_only)
        assert path.read_text().startswith("this is no database\n")

    def test_someone_elses_database(self, path, read_only):
        with sqlite3.connect(path) as conn:
            conn.execute("CREATE TABLE bookmarks (url)")
        conn.close()
        before = path.read_bytes()
        with pytest.raises(StoreCorruptError, match="not a measurement store"):
            open_store(path, read_only=read_only)
        assert path.read_bytes() == before

    def test_newer_version(self, path, read_only):
        filled(path)
        with sqlite3.connect(path) as conn:
            conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        conn.close()
        with pytest.raises(StoreVersionError, match=f"version {SCHEMA_VERSION + 1}"):
            open_store(path, read_only=read_only)

    def test_truncated(self, path, read_only):
        filled(path, 500)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(StoreCorruptError, match="damaged") as caught:
            list(open_store(path, read_only=read_only).measurements())
        assert "costmodel cache verify" in caught.value.hint
        assert "export" in caught.value.hint

    def test_cut_inside_its_header(self, path, read_only):
        filled(path)
        path.write_bytes(path.read_bytes()[:50])
        with pytest.raises(StoreCorruptError):
            list(open_store(path, read_only=read_only).measurements())


def old_store(path, before):
    """A store as an earlier version of costmodel left it."""
    conn = sqlite3.connect(path, isolation_level=None)
    MIGRATIONS.apply(Database(conn), stop_before=before)
    applied = len(MIGRATIONS.applied(Database(conn)))
    conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    conn.execute(f"PRAGMA user_version = {applied}")
    conn.close()
    return applied


def test_the_version_is_the_number_of_migrations(path):
    filled(path)
    db = Database(path)
    assert len(MIGRATIONS.applied(db)) == SCHEMA_VERSION
    assert MIGRATIONS.pending(db) == []
    db.close()


def test_an_older_store_is_upgraded(path):
    assert old_store(path, "m0002_documents") == 1
    filled(path)
    with open_store(path) as store:
        assert store.stats()["schema_version"] == SCHEMA_VERSION
        assert list(store.documents()) == []
        assert store.stats()["measurements"] == 1


def test_an_older_store_can_be_read_without_being_changed(path):
    old_store(path, "m0002_documents")
    before = path.read_bytes()
    with open_store(path, read_only=True) as store:
        assert list(store.documents()) == []
        assert store.stats()["measurements"] == 0
    assert path.read_bytes() == before


def test_a_failed_migration_leaves_no_trace(path):
    old_store(path, "m0002_documents")
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE documents (in_the_way)")
    conn.close()
    with pytest.raises(StoreError, match="documents"):
        open_store(path)
    with sqlite3.connect(path) as conn:
        assert conn.execute("PRAGMA user_version").fetchone() == (1,)
        assert conn.execute("SELECT name FROM _sqlite_migrations").fetchall() == [
            ("m0001_measurements",)
        ]
    conn.close()


class TestPermissions:
    def test_read_only_file(self, path, unprivileged):
        filled(path)
        path.chmod(0o444)
        with unprivileged():
            with pytest.raises(StoreReadOnlyError, match="file is read-only"):
                open_store(path)
            with open_store(path, read_only=True) as store:
                assert store.stats()["measurements"] == 1

    def test_read_only_directory(self, tmp_path, unprivileged):
        folder = tmp_path / "folder"
        path = folder / "store.sqlite"
        filled(path)
        path.chmod(0o666)
        folder.chmod(0o555)
        with unprivileged():
            with pytest.raises(StoreReadOnlyError, match="directory is read-only"):
                open_store(path)
            with open_store(path, read_only=True) as store:
                assert store.stats()["measurements"] == 1
                assert store.verify() == []
            with pytest.raises(StoreReadOnlyError, match="directory is read-only"):
                open_store(folder / "new.sqlite")
            with pytest.raises(StoreReadOnlyError, match="no permission to create"):
                open_store(folder / "deeper" / "new.sqlite")
        folder.chmod(0o755)

    def test_log_of_a_killed_run_in_a_read_only_directory(self, tmp_path, unprivileged):
        live = tmp_path / "live.sqlite"
        folder = tmp_path / "archive"
        folder.mkdir()
        with open_store(live) as store:
            store.add_workload(builders.workload())
            store.add_target(builders.target())
            store.add([builders.measurement()])
            for name in ("live.sqlite", "live.sqlite-wal"):  # as a kill would leave them
                (folder / name).write_bytes((tmp_path / name).read_bytes())
        folder.chmod(0o555)
        with unprivileged(), open_store(folder / "live.sqlite", read_only=True) as store:
            assert store.stats()["measurements"] == 1
        folder.chmod(0o755)

    def test_no_permission_to_read(self, path, unprivileged):
        filled(path)
        path.chmod(0o000)
        with unprivileged(), pytest.raises(StoreError, match="no permission"):
            open_store(path, read_only=True)

    def test_writing_to_a_store_opened_for_reading(self, path, tmp_path):
        filled(path)
        with open_store(path, read_only=True, rescue_dir=tmp_path) as store:
            with pytest.raises(StoreReadOnlyError, match="cannot be written"):
                store.add([builders.measurement()])
            assert len(list(store.measurements())) == 1


def test_a_damaged_page_is_reported_and_the_rest_is_exported(path):
    from costmodel.store.sqlite import BadRowWarning

    filled(path, 400)
    with sqlite3.connect(path) as conn:
        size = conn.execute("PRAGMA page_size").fetchone()[0]
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    pages = bytearray(path.read_bytes())
    damaged = 0
    for start in range(0, len(pages), size):  # leaves of the measurements' table: whole rows
        page = pages[start : start + size]
        if page[0] == 0x0D and b"[10.0,11.5,12.0]" in page and damaged < 2:
            pages[start : start + size] = b"\xa5" * size
            damaged += 1
    assert damaged == 2
    path.write_bytes(pages)
    with open_store(path, read_only=True) as store:
        assert any("damaged page" in sentence for sentence in store.verify())
        with pytest.raises(StoreCorruptError, match="damaged"):
            list(store.measurements())
        with pytest.warns(BadRowWarning, match="damaged"):
            entries = list(store.entries())
    kept = sum(isinstance(entry, type(builders.measurement())) for entry in entries)
    assert 300 < kept < 400
    assert Path(path).exists()
