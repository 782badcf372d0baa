"""Damaged kernels give a workload or an InputError with a place, and never anything else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costmodel.errors import InputError
from costmodel.ir import analyze, read_text
from costmodel.records import Workload

ROOT = Path(__file__).parents[2]
KERNELS = [
    path.read_text()
    for path in sorted(
        [*(ROOT / "kernels").rglob("*.mlir"), *(ROOT / "tests/golden/ir").glob("[!e]*")]
    )
]
TOKENS = sorted({token for text in KERNELS for token in text.split()})

edits = st.tuples(
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 12),
    st.one_of(
        st.just(""),
        st.text(max_size=3),
        st.sampled_from(list("{}()[]<>#%@^!:,=\"'*?x0123456789-\0\n/")),
        st.sampled_from(TOKENS),
        st.sampled_from(["-1", "9223372036854775807", "0", "?", "f64", "index", "dense<>", "loc("]),
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(KERNELS), st.lists(edits, min_size=1, max_size=3))
def test_damaged_kernels(text, changes):
    for where, removed, inserted in changes:
        start = int(where * len(text))
        text = text[:start] + inserted + text[start + removed :]
    workload, refusal = attempt(lambda: read_text(text, file_name="damaged.mlir"))
    if refusal is not None:
        assert refusal.message
        assert refusal.location.file == "damaged.mlir"
        return
    assert isinstance(workload, Workload)
    again = read_text(workload.text)
    assert again.hash == workload.hash
    analysis, _ = attempt(lambda: analyze(workload))
    if analysis is not None:
        assert analysis.flops >= 0
        assert analysis.bytes >= 0


def attempt(action):
    """What ``action`` returns and None, or None and the InputError that it raises."""
    try:
        return action(), None
    except InputError as error:
        return None, error
