"""The network's arithmetic, where weights are set so that it can be told by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from costmodel.backends.choices import Choice
from costmodel.ir import read_workload
from costmodel.models.transformer.batches import schedule_batch, workload_batch
from costmodel.models.transformer.config import CostConfig
from costmodel.models.transformer.inputs import read_schedule, read_workload_input
from costmodel.models.transformer.network import CostNetwork
from costmodel.models.transformer.sites import reader_of
from costmodel.records import Target
from costmodel.tokens.vocabulary import build_vocabulary

KERNELS = Path(__file__).resolve().parents[3] / "kernels"
TARGET = Target("cpu", "x86_64", "any", (), 2, (32 << 10,), 64, {"f32": 2e11}, 2e10)


def network(vocabulary: int) -> CostNetwork:
    """Every factor is 1: of a site by what is chosen there, and of the whole."""
    torch.manual_seed(0)
    words = ["<pad>", "<unk>", "tvm:x", "iree:x"]
    made = CostNetwork(
        CostConfig(
            vocab_size=vocabulary, choice_words=words, width=32, heads=2, layers=1,
            schedule_layers=1, graph_rounds=1, feed_forward=32,
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        for module in (made.site_factors, made.factors, made.heads.latency):
            module.weight.zero_()
            module.bias.zero_()
    return made


def told(backend: str, words: list[str], *, read: tuple[str, ...]) -> tuple[float, float]:
    """Microseconds of a schedule of the softmax, and the sum of what its sites take."""
    workload = read_workload(KERNELS / "bert_softmax.mlir")
    readers = {name: reader_of(name, workload, TARGET) for name in read}
    vocabulary = build_vocabulary([])
    given = read_workload_input(
        workload, TARGET, {name: one.sites for name, one in readers.items()}, vocabulary
    )
    made = network(len(vocabulary))
    choices = [Choice(word, 2.0, 0 if place else -1) for place, word in enumerate(words)]
    schedule = read_schedule(backend, choices, given)
    workloads = workload_batch([given])
    batch = schedule_batch(
        [[(backend, schedule)]], made.choice_index, made.config.backends, workloads.most_sites
    )
    with torch.inference_mode():
        out = made(workloads, batch)
    first = given.first_site[backend]
    own = given.site_us[first : first + len(readers[backend].sites)]
    which = made.config.backends.index(backend)
    steps = 0.1 * len(own)
    return float(out.log_us.exp()), float(own.sum() + steps + made.call[which].detach().exp())


@pytest.mark.parametrize("backend", ["tvm", "iree"])
@pytest.mark.parametrize("read", [("iree", "tvm"), ("tvm", "iree")])
def test_a_schedule_takes_the_sum_over_the_sites_of_its_backend(
    backend: str, read: tuple[str, ...]
) -> None:
    found, expected = told(backend, ["x", "x"], read=read)
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_default_takes_what_its_operations_do() -> None:
    found, of_sites = told("tvm", ["x"], read=("tvm",))
    assert found != pytest.approx(of_sites, rel=1e-3)
