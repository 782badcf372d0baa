"""Export and import as JSON lines."""

import gzip
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.errors import InputError, StoreVersionError, UsageError
from costmodel.records import Measurement, Outcome, Schedule
from costmodel.store import open_store
from costmodel.store.entries import Document, FeaturesEntry, TargetEntry, WorkloadEntry
from costmodel.store.lines import HEADER, decode, encode
from costmodel.store.transfer import export_lines, import_file
from tests.store import builders


def exported(store):
    stream = io.StringIO()
    export_lines(store, stream)
    return stream.getvalue()


def fill(store):
    given = [
        builders.measurement(1.0, 0.1, 1e-300),
        builders.failure(Outcome.WRONG_RESULT, max_error=math.inf),
        builders.failure(Outcome.CRASH, error="é\n\u2028 \x00 end", extra={"nested": [{"a": 1.0}]}),
    ]
    store.add(given)
    store.add_features(
        "set",
        builders.workload().hash,
        [(builders.schedule(n), builders.features(n)) for n in (1, 2)],
    )
    return given


def test_everything_survives(store, tmp_path):
    given = fill(store)
    file = tmp_path / "out.jsonl"
    file.write_text(exported(store))
    with open_store(tmp_path / "new.sqlite") as other:
        added = import_file(other, file)
        assert added == {
            "workloads": 1, "targets": 1, "documents": 0, "measurements": 3, "features": 2,
        }  # fmt: skip
        assert list(other.measurements()) == given
        assert exported(other) == exported(store)
        assert other.target(builders.target().hash).peak_flops == {"f32": 1.5e11}
        for mine, theirs in zip(store.features("set"), other.features("set"), strict=True):
            assert mine[:2] == theirs[:2]
            np.testing.assert_array_equal(mine[2], theirs[2])
        assert set(import_file(other, file).values()) == {0}


def test_each_line_is_one_object_and_strict_json(store):
    fill(store)

    def refuse(word):
        raise AssertionError(word)

    header, *lines = exported(store).splitlines()
    assert json.loads(header) == {"type": "header", "format": "costmodel-store", "version": 1}
    kinds = [json.loads(line, parse_constant=refuse)["type"] for line in lines]
    assert kinds == ["workload", "target", *["measurement"] * 3, *["features"] * 2]


@pytest.mark.parametrize("name", ["out.jsonl.gz", "no_suffix"])
def test_gzip_is_known_by_its_bytes(store, tmp_path, name):
    given = fill(store)
    file = tmp_path / name
    file.write_bytes(gzip.compress(exported(store).encode()))
    with open_store(tmp_path / "new.sqlite") as other:
        import_file(other, file)
        assert list(other.measurements()) == given


def test_files_may_be_concatenated_and_blank_lines_do_not_matter(store, tmp_path):
    given = fill(store)
    file = tmp_path / "twice.jsonl"
    file.write_text(exported(store) + "\n\n" + exported(store))
    with open_store(tmp_path / "new.sqlite") as other:
        import_file(other, file)
        assert list(other.measurements()) == given


def broken(change):
    """Apply ``change`` to the first measurement's object of an export."""

    def apply(text):
        lines = text.splitlines()
        number = next(n for n, line in enumerate(lines) if '"type":"measurement"' in line)
        fields = json.loads(lines[number])
        change(fields)
        lines[number] = json.dumps(fields)
        return "\n".join(lines), number + 1

    return apply


BROKEN = {
    "unknown outcome": (broken(lambda f: f.update(outcome="fine")), "fine"),
    "missing field": (broken(lambda f: f.pop("samples_us")), "samples_us"),
    "sample is text": (broken(lambda f: f.update(samples_us=["1"])), "expected a number"),
    "sample is infinite": (broken(lambda f: f.update(samples_us=[math.inf])), "finite"),
    "sample is a truth": (broken(lambda f: f.update(samples_us=[True])), "expected a number"),
    "sample is too great": (broken(lambda f: f.update(samples_us=[10**400])), "too large"),
    "sample is zero": (broken(lambda f: f.update(samples_us=[1.0, 0.0])), "not above zero"),
    "sample is negative": (broken(lambda f: f.update(samples_us=[-5.0])), "not above zero"),
    "id is a number": (broken(lambda f: f.update(id=7)), "expected a string"),
    "text cannot be stored": (broken(lambda f: f.update(error="\ud800")), "surrogate"),
    "unknown workload": (broken(lambda f: f.update(workload="0" * 64)), "not known"),
    "unknown target": (broken(lambda f: f.update(target="0" * 64)), "not known"),
    "unknown policy": (broken(lambda f: f["policy"].update(mood=1)), "mood"),
    "unknown type": (broken(lambda f: f.update(type="opinion")), "opinion"),
    "a list": (lambda text: (text.replace('{"type":"target"', '["x",{"type":"target"'), 3), "JSON"),
    "cut short": (lambda text: (text[:-20], text.count("\n")), "not JSON"),
    "too deep": (lambda text: (text + "[" * 100_000, text.count("\n") + 1), "recursion"),
}


@pytest.mark.parametrize(("spoil", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_malformed_file_is_refused_with_its_line_and_nothing_is_added(
    store, tmp_path, spoil, reason
):
    fill(store)
    file = tmp_path / "bad.jsonl"
    text, line = spoil(exported(store))
    file.write_text(text)
    with open_store(tmp_path / "new.sqlite") as other:
        with pytest.raises(InputError, match=reason) as caught:
            import_file(other, file)
        assert caught.value.location.file == str(file)
        assert caught.value.location.line == line
        assert other.stats()["measurements"] == 0
        assert other.stats()["workloads"] == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"hello\n", b"[1, 2]\n", b"{}\n", b'{"type":"measurement"}\n', b"\xff\xfe\x00x",
     gzip.compress(b"x" * 100, mtime=0)[:20],  # the time would be part of the test's name
     gzip.compress(b"{}", mtime=0)[:-9] + b"123456789", b"\x1f\x8b"],
)  # fmt: skip
def test_what_is_no_export_is_refused(store, tmp_path, content):
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(InputError):
        import_file(store, file)
    assert store.stats()["measurements"] == 0


def test_a_store_is_not_a_file_to_import(store, path, tmp_path):
    with pytest.raises(UsageError, match="the store itself"):
        import_file(store, path)
    other = tmp_path / "other.sqlite"
    open_store(other).close()
    with pytest.raises(UsageError, match="is a store") as caught:
        import_file(store, other)
    assert "cache merge" in caught.value.hint


@pytest.mark.parametrize("place", ["missing.jsonl", "."])
def test_what_cannot_be_read(store, tmp_path, place):
    with pytest.raises(InputError, match="cannot read"):
        import_file(store, tmp_path / place)


def test_a_newer_format_is_refused(store, tmp_path):
    file = tmp_path / "new.jsonl"
    file.write_text(HEADER.replace('"version":1', '"version":2') + "\n")
    with pytest.raises(StoreVersionError, match="version 2"):
        import_file(store, file)


numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
measurements = st.builds(
    builders.measurement,
    id=st.uuids().map(str),
    schedule=st.builds(Schedule, texts, texts),
    outcome=st.sampled_from(Outcome),
    samples_us=st.lists(times, max_size=5).map(tuple),
    timestamp=numbers,
    error=texts,
    max_error=st.none() | st.floats(allow_nan=False),
    extra=st.dictionaries(texts, trees, max_size=3),
)
entries = st.one_of(
    measurements,
    st.builds(WorkloadEntry, texts.map(builders.workload), numbers),
    st.builds(TargetEntry, texts.map(builders.target), numbers),
    st.builds(
        Document, texts, texts, texts, texts,
        st.dictionaries(texts, trees, max_size=2).map(json.dumps), numbers,
    ),
    st.builds(
        FeaturesEntry, texts, texts, st.builds(Schedule, texts, texts),
        st.builds(builders.features, st.integers(0, 99), st.integers(0, 4), st.integers(0, 4)),
    ),
)  # fmt: skip


@settings(deadline=None)
@given(entries)
def test_any_entry_survives_its_line(entry):
    line = json.dumps(encode(entry), allow_nan=False)
    again = decode(json.loads(line))
    assert again == entry
    if isinstance(entry, FeaturesEntry):
        np.testing.assert_array_equal(again.array, entry.array)


@settings(deadline=None, max_examples=30)
@given(st.lists(measurements, max_size=5, unique_by=lambda each: each.id))
def test_any_measurement_survives_the_table(tmp_path_factory, drawn: list[Measurement]):
    with open_store(tmp_path_factory.mktemp("any") / "store.sqlite") as store:
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        store.add(drawn)
        key = lambda each: each.id  # noqa: E731
        assert sorted(store.measurements(), key=key) == sorted(drawn, key=key)
        assert store.verify() == []
