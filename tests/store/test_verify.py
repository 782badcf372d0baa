"""Each kind of damage is found, and says what it is about."""

import contextlib
import re
import sqlite3

import pytest

from costmodel.store import open_store
from costmodel.store.transfer import import_file
from tests.store import builders

DAMAGE = {
    "workload text": ("UPDATE workloads SET text = text || ' '", r"workload .* is not its hash"),
    "workload types": ("UPDATE workloads SET inputs = '[{}]'", r"workload .*shape"),
    "target facts": (
        "UPDATE targets SET facts = replace(facts, 'fma', 'fmb')", r"target .* do not have its hash"
    ),
    "schedule": ("UPDATE schedules SET text = '{}' WHERE hash = :schedule", r"schedule .* hash"),
    "environment": ("UPDATE environments SET machine = '{}'", r"environment .* hash"),
    "toolchain": ("UPDATE environments SET toolchain = 'x'", r"environment .* hash"),
    "policy": ("UPDATE policies SET facts = '{}'", r"policy .* do not have its hash"),
    "median": ("UPDATE measurements SET median_us = 1", r"median 1\.0 is not that of its samples"),
    "no time": (
        "UPDATE measurements SET samples = '[0.0]', median_us = 0.0", "not above zero"
    ),
    "no median": ("UPDATE measurements SET median_us = NULL", r"median is missing"),
    "copied toolchain": ("UPDATE measurements SET toolchain = 'x'", r"its toolchain is not"),
    "orphan": ("DELETE FROM targets", r"refers to a row of targets that is missing"),
    "features": ("UPDATE features SET width = width + 1", r"features of schedule|bytes for the"),
    "document": ("UPDATE documents SET header = '[]'", r"document .* not an object"),
    "index": ("DROP INDEX idx_measurements_best", None),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "pattern"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found(store, path, t4_file, sql, pattern):
    store.add([builders.measurement(2.0, 3.0)])
    rows = [(builders.schedule(1), builders.features(1))]
    store.add_features("set", builders.workload().hash, rows)
    import_file(store, t4_file)
    assert store.verify() == []
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute(sql, {"schedule": builders.schedule().hash} if ":schedule" in sql else {})
    found = store.verify()
    if pattern is None:  # a missing index costs time and is no damage
        assert found == []
    else:
        assert any(re.search(pattern, each) for each in found), found
        assert all(each.endswith(".") for each in found)


def test_a_damaged_index_is_found(path):
    with open_store(path) as store:
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        store.add(builders.measurement() for _ in range(300))
    with contextlib.closing(sqlite3.connect(path)) as conn:
        root, size = conn.execute(
            "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master "
            "WHERE name = 'idx_measurements_best'"
        ).fetchone()
    content = bytearray(path.read_bytes())
    content[(root - 1) * size : root * size] = b"\x00" * size
    path.write_bytes(content)
    with open_store(path, read_only=True) as store:
        assert store.verify() != []
        assert sum(1 for _ in store.entries()) == 302  # the table itself is sound
