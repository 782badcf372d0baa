"""``costmodel cache``, through the command as it is installed."""

import contextlib
import gzip
import json
import os
import sqlite3
from pathlib import Path

import pytest

from costmodel.cli.main import main
from costmodel.records import Outcome
from costmodel.store import open_store
from tests.store import builders

SAMPLE = Path(__file__).parents[1] / "data/store/vector_add_T1000.json"


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "store.sqlite"
    with open_store(place) as store:
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        store.add([
            builders.measurement(250.0, 300.0, 275.0),
            builders.measurement(90.0, schedule=builders.schedule(16)),
            builders.failure(Outcome.BUILD_TIMEOUT, schedule=builders.schedule(32)),
        ])  # fmt: skip
        store.add_features(
            "set", builders.workload().hash, [(builders.schedule(), builders.features(1))]
        )
    return place


@pytest.fixture
def run(capsys):
    """Run ``costmodel cache``: exit status, stdout, stderr."""

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["cache", *map(str, arguments)])
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return call


def test_every_subcommand_has_help(run):
    _, out, _ = run("--help")
    for name in ("stats", "show", "export", "import", "merge", "reject", "verify"):
        assert name in out
        status, text, _ = run(name, "--help")
        assert status == 0
        assert "--store" in text
        assert "--json" in text


def test_stats(run, path):
    status, out, err = run("stats", "--store", path, "--json")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert found["measurements"] == 3
    assert found["by_outcome"] == {"ok": 2, "build_timeout": 1}
    assert found["schema_version"] == 2
    status, out, _ = run("stats", "--store", path)
    assert status == 0
    assert "3 measurements" in out
    assert builders.workload().hash[:12] in out
    assert "build_timeout" in out


def test_stats_of_a_default_store_that_is_not_there(run, tmp_path, monkeypatch):
    monkeypatch.setenv("COSTMODEL_STORE", str(tmp_path / "none" / "store.sqlite"))
    status, out, _ = run("stats", "--json")
    assert status == 0
    assert json.loads(out)["measurements"] == 0
    assert list(tmp_path.iterdir()) == []


def test_show_the_best_of_each_workload(run, path):
    status, out, _ = run("show", "--store", path, "--json")
    assert status == 0
    [workload] = json.loads(out)["workloads"]
    [best] = workload["best"]
    assert workload["workload"] == builders.workload().hash
    assert best["latency_us"] == 90.0
    assert best["schedule"] == builders.schedule(16).text
    assert (best["measured"], best["failed"]) == (3, 1)
    status, out, _ = run("show", "--store", path)
    assert status == 0
    assert "90.0 us" in out


def test_show_one_workload_by_the_start_of_its_hash(run, path):
    prefix = builders.workload().hash[:8]
    status, out, _ = run("show", prefix, "--store", path, "--json")
    found = json.loads(out)
    assert status == 0
    assert found["text"] == builders.workload().text
    assert found["inputs"][0] == {"shape": [4, 8], "dtype": "f32", "index_limit": None}
    assert found["best"][0]["outcomes"] == {"ok": 2, "build_timeout": 1}
    status, out, _ = run("show", prefix, "--store", path)
    assert status == 0
    assert builders.schedule(16).text in out


def test_show_what_is_unknown_or_ambiguous(run, path):
    status, out, err = run("show", "ffffffffffff", "--store", path, "--json")
    assert status == 2
    assert json.loads(out)["error"]["kind"] == "UsageError"
    assert "no workload" in err
    with open_store(path) as store:
        store.add_workload(builders.workload("g"))
    status, _, err = run("show", "", "--store", path)
    assert status == 2
    assert "ambiguous" in err


def test_show_a_workload_that_never_worked(run, tmp_path):
    place = tmp_path / "failing.sqlite"
    with open_store(place) as store:
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        store.add([builders.failure(Outcome.CRASH)])
    status, out, _ = run("show", "--store", place, "--json")
    assert status == 0
    [best] = json.loads(out)["workloads"][0]["best"]
    assert best["latency_us"] is None
    assert best["failed"] == 1
    assert run("show", builders.workload().hash, "--store", place)[0] == 0


def best_id(run, path):
    _, out, _ = run("show", "--store", path, "--json")
    return json.loads(out)["workloads"][0]["best"][0]["id"]


def test_a_rejected_measurement_is_kept_and_is_the_best_no_more(run, path):
    wrong = best_id(run, path)
    assert wrong in run("show", builders.workload().hash, "--store", path)[1]
    status, out, err = run("reject", wrong[:8], "--reason", "in seconds", "--store", path)
    assert (status, err) == (0, "")
    assert f"rejected {wrong}" in out
    assert "275 us" in out.splitlines()[-1]
    assert best_id(run, path) in out.splitlines()[-1]
    with open_store(path) as store:
        old, new = [one for one in store.measurements() if one.schedule == builders.schedule(16)]
    assert (old.id, new.outcome, new.error) == (wrong, Outcome.WRONG_RESULT, "in seconds")
    assert old.key == new.key
    assert new.timestamp > old.timestamp


def test_when_all_is_rejected_nothing_is_the_best(run, path):
    with open_store(path) as store:
        ids = [one.id for one in store.measurements() if one.ok]
    arguments = ["reject", *ids, ids[0][:20], "--reason", "r", "--store", path]
    status, out, _ = run(*arguments, "--json")
    found = json.loads(out)
    assert status == 0
    assert [one["id"] for one in found["rejected"]] == ids
    assert [one["id"] for one in found["best"]] == [None]
    assert "is now nothing" in run(*arguments)[1]


@pytest.mark.parametrize("given", ["", "ffff", "%", "no measurement of it"])
def test_what_is_not_there_cannot_be_rejected_and_then_nothing_is(run, path, given):
    known = best_id(run, path)
    status, _, err = run("reject", known, given, "--reason", "r", "--store", path)
    assert status == 2
    assert f"no measurement {given!r}" in err
    assert run("reject", known[:7], "--reason", "r", "--store", path)[0] == 2
    assert run("reject", known, "--reason", " ", "--store", path)[0] == 2
    assert run("reject", known, "--store", path)[0] == 2
    assert best_id(run, path) == known


def test_an_id_is_told_from_those_that_begin_with_it(run, path):
    with open_store(path) as store:
        store.add([builders.measurement(1.0, id=name) for name in ("a" * 9, "a" * 10, "b")])
    for given, status in (("a" * 8, 2), ("a" * 9, 0), ("a" * 10, 0), ("b", 0)):
        found = run("reject", given, "--reason", "r", "--store", path)
        assert found[0] == status, given
        assert ("ambiguous" in found[2]) == bool(status)


def test_nothing_is_made_to_reject_of_it(run, tmp_path):
    missing = tmp_path / "none.sqlite"
    assert run("reject", "a" * 9, "--reason", "r", "--store", missing)[0] != 0
    assert not missing.exists()


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_export_and_import_json_lines(run, path, tmp_path, name):
    file = tmp_path / name
    status, out, _ = run("export", "--output", file, "--store", path, "--json")
    assert status == 0
    assert json.loads(out) == {"format": "jsonl", "records": 6, "files": [str(file)]}
    assert (file.read_bytes()[:2] == b"\x1f\x8b") == name.endswith("gz")
    status, out, _ = run("import", file, "--store", tmp_path / "new.sqlite", "--json")
    assert status == 0
    assert json.loads(out)["added"] == {
        "workloads": 1, "targets": 1, "documents": 0, "measurements": 3, "features": 1,
    }  # fmt: skip
    status, out, _ = run("import", file, "--store", tmp_path / "new.sqlite")
    assert (status, "nothing" in out) == (0, True)


def test_export_to_stdout(run, path):
    status, out, err = run("export", "--store", path)
    assert (status, err) == (0, "")
    assert [json.loads(line)["type"] for line in out.splitlines()][:3] == [
        "header", "workload", "target",
    ]  # fmt: skip
    status, out, _ = run("export", "--format", "t4", "--store", path)
    assert status == 0
    assert len(json.loads(out)["results"]) == 3


def test_export_cannot_be_two_things_at_once_on_stdout(run, path):
    status, out, _ = run("export", "--store", path, "--json")
    assert status == 2
    assert "--output" in json.loads(out)["error"]["hint"]


def test_t4_in_and_out(run, path, tmp_path):
    status, out, _ = run("import", SAMPLE, "--store", path, "--json")
    assert status == 0
    assert json.loads(out)["added"]["measurements"] == 9
    status, _, err = run("export", "--format", "t4", "--store", path)
    assert status == 2
    assert "directory" in err
    folder = tmp_path / "t4"
    folder.mkdir()
    status, out, _ = run("export", "--format", "t4", "-o", folder, "--store", path, "--json")
    assert status == 0
    assert json.loads(out)["records"] == 12
    again = json.loads((folder / SAMPLE.name).read_text())
    assert again == json.loads(SAMPLE.read_text())
    packed = tmp_path / "one.json.gz"
    status, _, _ = run(
        "export", "--format", "t4", "-o", packed, "--store", path,
        "--workload", builders.workload().hash[:10],
    )  # fmt: skip
    assert status == 0
    assert len(json.loads(gzip.decompress(packed.read_bytes()))["results"]) == 3


def test_export_to_a_bad_place(run, path, tmp_path):
    assert run("export", "-o", path, "--store", path)[0] == 2
    assert run("export", "-o", tmp_path / "no" / "where.jsonl", "--store", path)[0] == 2
    assert run("export", "-o", tmp_path, "--store", path)[0] == 2
    assert run("export", "--workload", "00", "--store", path)[0] == 2
    with open_store(path) as store:
        assert store.verify() == []
    assert sorted(tmp_path.glob(".*")) == []


def test_import_bad_files(run, path, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text("hello\nworld\n")
    status, out, err = run("import", bad, "--store", path, "--json")
    error = json.loads(out)["error"]
    assert status == 2
    assert (error["file"], error["line"]) == (str(bad), 1)
    assert str(bad) in err
    assert run("import", tmp_path / "missing", "--store", path)[0] == 2
    assert run("import", "--store", path)[0] == 2
    with open_store(path) as store:
        assert store.stats()["measurements"] == 3


def test_merge(run, path, tmp_path):
    target = tmp_path / "all.sqlite"
    status, out, _ = run("merge", path, path, "--store", target, "--json")
    assert status == 0
    assert json.loads(out)["added"]["measurements"] == 3
    status, out, _ = run("merge", path, "--store", target)
    assert status == 0
    assert "nothing" in out
    assert run("merge", tmp_path / "missing", "--store", target)[0] == 2


def test_verify_sound_and_damaged(run, path):
    status, out, _ = run("verify", "--store", path, "--json")
    assert status == 0
    assert json.loads(out) == {"path": str(path), "sound": True, "damage": []}
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("UPDATE workloads SET text = 'changed'")
    status, out, _ = run("verify", "--store", path, "--json")
    assert status == 1
    assert "not its hash" in json.loads(out)["damage"][0]
    status, out, _ = run("verify", "--store", path)
    assert status == 1
    assert builders.workload().hash in out


def test_verify_what_is_no_store(run, tmp_path):
    file = tmp_path / "text"
    file.write_text("no database " * 100)
    status, out, _ = run("verify", "--store", file, "--json")
    assert status == 1
    assert json.loads(out)["sound"] is False
    assert run("verify", "--store", tmp_path / "missing")[0] == 2


@pytest.mark.parametrize("command", ["stats", "show", "export", "import", "merge"])
def test_a_store_that_is_none_is_bad_input(run, tmp_path, command):
    file = tmp_path / "text"
    file.write_text("no database " * 100)
    more = {"import": [SAMPLE], "merge": [tmp_path / "other"]}.get(command, [])
    status, out, err = run(command, *more, "--store", file)
    assert (status, out) == (2, "")
    assert "no SQLite database" in err
    assert "Traceback" not in err
    assert file.read_text() == "no database " * 100


def test_markup_in_names_is_only_text(run, tmp_path):
    place = tmp_path / "odd.sqlite"
    file = tmp_path / "[bold]kernel[_[red]device.json"
    file.write_bytes(SAMPLE.read_bytes())
    assert run("import", file, "--store", place)[0] == 0
    status, out, _ = run("stats", "--store", place)
    assert status == 0
    assert "[bold]kernel[" in out


def test_a_reader_that_leaves_is_no_fault(path):
    import subprocess
    import sys

    code = (
        "import sys; from costmodel.cli.main import main; "
        f"main(['cache', 'export', '--store', {os.fspath(path)!r}])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert "Traceback" not in errors
