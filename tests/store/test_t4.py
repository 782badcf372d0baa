"""The T4 auto-tuning results format, in and out."""

import copy
import gzip
import json
import os
from pathlib import Path

import jsonschema
import pytest

from costmodel.errors import InputError
from costmodel.records import Outcome
from costmodel.store import open_store
from costmodel.store.t4 import EXTERNAL_POLICY
from costmodel.store.transfer import import_file, t4_documents
from tests.store import builders

SCHEMA = json.loads((Path(__file__).parents[1] / "data/store/t4-results.schema.json").read_text())

#: A directory with published T4 files (*.json.gz); without it the sample alone is tested.
PUBLISHED = os.environ.get("COSTMODEL_KERNEL_TUNING_DATA")
FILES = sorted(Path(PUBLISHED).glob("*.json.gz")) if PUBLISHED else []


def text_of(value):
    """JSON with the order of keys, and with whole numbers apart from floating ones."""
    return json.dumps(value)


def test_the_sample_comes_back_as_it_was(store, t4_file):
    assert import_file(store, t4_file)["measurements"] == 9
    [(name, document)] = t4_documents(store)
    assert name == "vector_add_T1000.json"
    assert text_of(document) == text_of(json.loads(t4_file.read_text()))
    assert store.verify() == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_published_files_come_back_as_they_were(tmp_path, file):
    original = json.loads(gzip.decompress(file.read_bytes()))
    with open_store(tmp_path / "store.sqlite") as store:
        added = import_file(store, file)
        assert added["measurements"] == len(original["results"])
        [(name, document)] = t4_documents(store)
        assert name == file.name.removesuffix(".gz")
        assert text_of(document) == text_of(original)
        correct = [row for row in original["results"] if row["invalidity"] == "correct"]
        assert store.stats()["by_outcome"]["ok"] == len(correct)
        assert store.verify() == []


def test_what_the_rows_say(store, t4_file):
    import_file(store, t4_file)
    rows = {each.extra["t4"]["index"]: each for each in store.measurements()
            if "t4" in each.extra}  # fmt: skip
    assert [rows[n].outcome for n in range(9)] == [
        Outcome.OK, Outcome.OK, Outcome.BUILD_ERROR, Outcome.RUN_ERROR, Outcome.RUN_TIMEOUT,
        Outcome.WRONG_RESULT, Outcome.INVALID_SCHEDULE, Outcome.OK, Outcome.WRONG_RESULT,
    ]  # fmt: skip
    assert rows[0].samples_us == pytest.approx((921.1, 100.0, 300.0, 920.0))
    assert rows[0].build_seconds == pytest.approx(0.8125)
    assert rows[0].timestamp == 1709287200.125
    assert rows[1].run_seconds == pytest.approx(0.0405)
    assert rows[2].error == "CompilationFailedConfig"
    assert rows[2].samples_us == ()
    assert rows[4].timestamp == 0.0
    assert rows[7].samples_us == (700.0,)
    assert rows[7].build_seconds == pytest.approx(0.009)
    assert rows[9 - 1].samples_us == ()
    assert {each.policy for each in rows.values()} == {EXTERNAL_POLICY}
    assert json.loads(rows[0].schedule.text) == rows[0].extra["t4"]["result"]["configuration"]


def test_the_best_of_a_file_can_be_asked_for(store, t4_file):
    import_file(store, t4_file)
    [workload] = [each for each in store.workloads() if each.function == "vector_add"]
    [target] = [each for each in store.targets() if each.kind == "gpu"]
    assert "no MLIR" in workload.text
    assert workload.inputs == workload.outputs == ()
    assert target.cpu == "T1000"
    best = store.best(workload=workload.hash, target=target.hash)
    assert best.latency_us == 250.0
    assert best.extra["t4"]["index"] == 1


def test_importing_again_adds_nothing(store, t4_file, tmp_path):
    import_file(store, t4_file)
    packed = tmp_path / "vector_add_T1000.json.gz"
    packed.write_bytes(gzip.compress(t4_file.read_bytes()))
    assert set(import_file(store, packed).values()) == {0}


def test_one_kernel_on_two_devices_is_one_workload(store, t4_file):
    import_file(store, t4_file)
    added = import_file(store, t4_file, device="T2000")
    assert added == {"workloads": 0, "targets": 1, "documents": 1, "measurements": 9, "features": 0}
    assert [name for name, _ in t4_documents(store)] == [
        "vector_add_T1000.json", "vector_add_T2000.json",
    ] or [name for name, _ in t4_documents(store)] == [
        "vector_add_T2000.json", "vector_add_T1000.json",
    ]  # fmt: skip


def test_names_from_options_metadata_and_file(store, tmp_path):
    document = {"metadata": {"device_name": "W1"}, "results": []}
    file = tmp_path / "plain.json"
    file.write_text(json.dumps(document))
    import_file(store, file)
    import_file(store, file, kernel="k", device="d")
    assert {(each.kernel, each.device) for each in store.documents()} == {
        ("plain", "W1"), ("k", "d"),
    }  # fmt: skip
    assert [document for _, document in t4_documents(store)] == [document, document]


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("miliseconds", 1e3), ("Milliseconds", 1e3), ("s", 1e6), ("microseconds", 1.0), ("ns", 1e-3)],
)
def test_units(store, tmp_path, t4_file, unit, factor):
    document = json.loads(t4_file.read_text())
    document["metadata"]["timeunit"] = unit
    file = tmp_path / "k_d.json"
    file.write_text(json.dumps(document))
    import_file(store, file)
    first = next(each for each in store.measurements() if each.extra["t4"]["index"] == 1)
    assert first.samples_us == pytest.approx((0.25 * factor, 0.25 * factor, factor))


def test_a_time_that_is_none_is_kept_in_the_document_alone(store, tmp_path, t4_file):
    """A sample of a correct kernel that is not above zero would be a bad row."""
    document = json.loads(t4_file.read_text())
    document["results"][1]["times"]["runtimes"] = [0.0, 0.5, -1.0]
    file = tmp_path / "k_d.json"
    file.write_text(json.dumps(document))
    import_file(store, file)
    [row] = [each for each in store.measurements() if each.extra["t4"]["index"] == 1]
    assert row.samples_us == (500.0,)
    [(_, again)] = t4_documents(store)
    assert text_of(again) == text_of(document)
    assert store.verify() == []


def test_values_that_json_has_no_word_for_survive(store, tmp_path, t4_file):
    document = json.loads(t4_file.read_text())
    document["results"][1]["power"] = [float("inf"), float("nan"), 10**40]
    document["results"][1]["times"]["runtimes"].append(float("nan"))
    file = tmp_path / "k_d.json"
    file.write_text(json.dumps(document))
    import_file(store, file)
    [(_, again)] = t4_documents(store)
    assert text_of(again) == text_of(document)
    assert store.verify() == []


SPOILT = {
    "no configuration": (lambda d: d["results"][3].pop("configuration"), r"results\[3\].config"),
    "no times": (lambda d: d["results"][3].pop("times"), r"results\[3\].times"),
    "no correctness": (lambda d: d["results"][0].pop("correctness"), r"results\[0\].correctness"),
    "unknown invalidity": (lambda d: d["results"][8].update(invalidity="sad"), "'sad'"),
    "result is a list": (lambda d: d["results"].append([]), r"results\[9\] is not an object"),
    "unknown unit": (lambda d: d["metadata"].update(timeunit="fortnights"), "fortnights"),
    "unit is a number": (lambda d: d["metadata"].update(timeunit=3), "timeunit is 3"),
    "newer schema": (lambda d: d.update(schema_version="2.0.0"), "2.0.0"),
    "results is an object": (lambda d: d.update(results={}), "neither JSON lines nor T4"),
}


@pytest.mark.parametrize(("spoil", "reason"), SPOILT.values(), ids=SPOILT)
def test_what_is_not_of_the_format_is_refused_as_a_whole(store, tmp_path, t4_file, spoil, reason):
    document = json.loads(t4_file.read_text())
    spoil(document)
    file = tmp_path / "bad_file.json"
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=reason) as caught:
        import_file(store, file)
    assert caught.value.location.file == str(file)
    assert store.stats()["measurements"] == 0


def test_not_json_says_where(store, tmp_path):
    file = tmp_path / "bad.json"
    file.write_text('{\n  "results": [\n    {,}\n  ]\n}')
    with pytest.raises(InputError, match="not JSON") as caught:
        import_file(store, file)
    assert (caught.value.location.line, caught.value.location.column) == (3, 6)


@pytest.fixture
def native(store):
    store.add(
        [
            builders.measurement(250.0, 300.0),
            builders.measurement(1.5, schedule=builders.schedule(3)),
        ]
    )
    store.add(builders.failure(outcome) for outcome in Outcome if outcome is not Outcome.OK)
    return store


def test_own_measurements_are_exported_as_valid_t4(native):
    [(name, document)] = t4_documents(native)
    jsonschema.validate(document, SCHEMA)
    assert name == f"f-{builders.workload().hash[:12]}_test-cpu.json"
    assert len(document["results"]) == 1 + len(Outcome)
    first = document["results"][0]
    assert first["configuration"] == {"kind": "template", "knobs": {"tile": 8}}
    assert first["times"]["runtimes"] == [0.25, 0.3]
    assert first["measurements"] == [{"name": "time", "value": 0.275, "unit": "ms"}]
    json.dumps(document, allow_nan=False)


def test_the_schema_refuses_what_is_not_t4(native):
    [(_, document)] = t4_documents(native)
    for spoil in (
        lambda d: d["results"][0].update(invalidity="splendid"),
        lambda d: d["results"][0].pop("configuration"),
        lambda d: d["results"][0].update(correctness=0),
    ):
        changed = copy.deepcopy(document)
        spoil(changed)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(changed, SCHEMA)


def test_own_measurements_come_back_the_same(native, tmp_path):
    [(name, document)] = t4_documents(native)
    file = tmp_path / name
    file.write_text(json.dumps(document))
    assert import_file(native, file)["measurements"] == 0
    with open_store(tmp_path / "new.sqlite") as other:
        import_file(other, file)
        assert list(other.measurements()) == list(native.measurements())
        assert other.target(builders.target().hash).bandwidth == 2e10
        assert [each for _, each in t4_documents(other)] == [document]


def test_own_measurements_changed_by_hand_are_refused(native, tmp_path):
    [(_, document)] = t4_documents(native)
    document["results"][2]["costmodel"]["outcome"] = "better"
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(document))
    with open_store(tmp_path / "new.sqlite") as other:
        with pytest.raises(InputError, match=r"results\[2\].*better"):
            import_file(other, file)
        assert other.stats()["measurements"] == 0


def test_selected_documents(native, t4_file):
    import_file(native, t4_file)
    native.add_target(builders.target("second"))
    native.add([builders.measurement(target=builders.target("second").hash)])
    assert len(list(t4_documents(native))) == 3
    [(_, one)] = t4_documents(native, target=builders.target("second").hash)
    assert len(one["results"]) == 1
    [(name, one)] = t4_documents(
        native, workload=next(w.hash for w in native.workloads() if w.function == "vector_add")
    )
    assert name == "vector_add_T1000.json"
    assert text_of(one) == text_of(json.loads(t4_file.read_text()))
