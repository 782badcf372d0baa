"""The network: two towers, of which the first reads a workload once for all its schedules.

An operation is one position: the sum of its tokens, each through a small network first, so that
which number goes with which word is kept (Zaheer et al., "Deep Sets", NeurIPS 2017). Positions
hear of what they read and of what reads them, then attend to each other in ModernBERT's layers
(Warner et al., 2024). A schedule is the set of its choices; they attend to each other and to the
operations and sites of the workload, whose keys and values are computed once.

Latency is predicted against the roofline: a workload takes the sum of what its operations take at
the least to compute and to move, each times a factor that the first tower gives, and of what it
takes to get to them. Under a schedule it takes the sum over the sites, with factors that the second
tower gives by what is chosen there, and one more upon all. So sizes extrapolate by what is known of
them. Likewise the code of a function is the sum of its operations' codes, and the registers that it
uses are those of the operation that uses most: functions of a kind that was never seen consist of
operations that were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ModernBertConfig, ModernBertModel, PreTrainedModel

from costmodel.models.transformer.batches import ScheduleBatch, WorkloadBatch
from costmodel.models.transformer.config import CostConfig
from costmodel.models.transformer.inputs import (
    AXIS_WIDTH,
    CHOICE_WIDTH,
    SITE_WIDTH,
    TARGET_WIDTH,
)
from costmodel.models.transformer.numbers import WIDTH
from costmodel.tokens.stream import Kind

__all__ = ["FAILURE", "GROUPS", "MOST_REGISTERS", "SLOTS", "CostNetwork", "Memory", "Outputs"]

#: Places that operands and axes are told apart by; further ones share the last.
GROUPS, SLOTS = 16, 16
#: What is sure to fail counts as this much slower (logarithm).
FAILURE = math.log(10.0)
#: Vector registers of AVX-512; the head has one class for each number, 0 included.
MOST_REGISTERS = 32
#: What a call takes at the least, in microseconds: where the learned constant begins.
_CALL_US = 2.0
#: The same of getting to an operation.
_STEP_US = 0.1
#: Where learning of spills, instructions and bytes of code begins (logarithms).
_CODE = (-2.0, 5.0, 7.0)


@dataclass(frozen=True)
class Memory:
    """A batch of workloads as the schedules' tower reads it.

    ``backend`` is that of a position that is a site, -1 of one that is an operation; after
    ``sites`` comes a row for none. ``site_us`` is what a site takes at the least. With each
    backend, ``base`` is the logarithm of microseconds that a workload takes, ``registers`` those
    of the probabilities of how many it uses, and ``code`` those of spills, instructions and bytes.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask: Tensor
    backend: Tensor
    sites: Tensor
    site_us: Tensor
    site_backend: Tensor
    base: Tensor
    registers: Tensor
    code: Tensor
    log_peak_us: Tensor


@dataclass(frozen=True)
class Outputs:
    """Predictions, each of the shape (workloads, schedules) and of ``registers`` a class more.

    ``log_us`` is the median's natural logarithm, ``below`` and ``above`` the distances (positive)
    to the 5% and 95% quantiles. ``registers`` are logits; ``spills``, ``instructions`` and
    ``code_bytes`` natural logarithms of 1 + the number; ``vector_share`` and ``utilization`` from
    0 to 1; ``failure`` a logit.
    """

    log_us: Tensor
    below: Tensor
    above: Tensor
    registers: Tensor
    spills: Tensor
    instructions: Tensor
    code_bytes: Tensor
    vector_share: Tensor
    utilization: Tensor
    failure: Tensor


class CostNetwork(PreTrainedModel):  # type: ignore[misc]
    """Both towers and the heads."""

    config_class = CostConfig
    base_model_prefix = "costmodel"

    def __init__(self, config: CostConfig) -> None:
        super().__init__(config)
        width = config.width
        self.tokens = _Tokens(config)
        self.graph = nn.ModuleList(_Neighbours(width) for _ in range(config.graph_rounds))
        self.target = nn.Linear(TARGET_WIDTH, width)
        self.encoder = ModernBertModel(_bert(config))
        self.axes = _mlp(AXIS_WIDTH, width)
        self.sites = _mlp(SITE_WIDTH + width, width)
        self.factors = nn.Linear(width, 3 * len(config.backends))
        self.op_registers = nn.Linear(width, len(config.backends) * (MOST_REGISTERS + 1))
        self.op_code = nn.Linear(width, len(config.backends) * len(_CODE))
        self.call = nn.Parameter(torch.full((len(config.backends),), _CALL_US).log())
        self.choices = nn.Embedding(len(config.choice_words), width, padding_idx=0)
        self.numbers = _mlp(CHOICE_WIDTH, width)
        self.backend = nn.Embedding(len(config.backends), width)
        self.layers = nn.ModuleList(_ScheduleLayer(config) for _ in range(config.schedule_layers))
        self.norm = nn.LayerNorm(width)
        self.site_norm = nn.LayerNorm(width)
        self.site_chosen = nn.Linear(width, width)
        self.site_itself = nn.Linear(width, width, bias=False)
        self.site_schedule = nn.Linear(width, width, bias=False)
        self.site_factors = nn.Linear(width, 3)
        self.heads = _Heads(width)
        self.first = _FirstStage(config)
        self.register_buffer("target_low", torch.tensor(config.target_low), persistent=False)
        self.register_buffer("target_high", torch.tensor(config.target_high), persistent=False)
        self.post_init()
        nn.init.zeros_(self.target.weight)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.3)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    @cached_property
    def choice_index(self) -> dict[str, int]:
        """Indices of the choices' words; 0 is padding, 1 any word that is not among them."""
        return {word: number for number, word in enumerate(self.config.choice_words)}

    def encode(self, batch: WorkloadBatch) -> Memory:
        """Read workloads: what all their schedules share."""
        ops = self.tokens(batch)
        for round_ in self.graph:
            ops = round_(ops, batch.edges)
        about = batch.target.clamp(self.target_low, self.target_high) - self.target_low
        ops = ops.view(batch.size, batch.ops, -1) + self.target(about)[:, None]
        encoded = self.encoder(
            inputs_embeds=ops, attention_mask=batch.mask.to(torch.long)
        ).last_hidden_state
        sites = self._sites(batch)
        memory = torch.cat([encoded, sites], dim=1)
        mask = torch.cat([batch.mask, batch.site_mask], dim=1)
        nowhere = sites.new_zeros(batch.size, 1, sites.shape[-1])
        projected = [cast(_ScheduleLayer, layer).project(memory) for layer in self.layers]
        return Memory(
            keys=tuple(keys for keys, _ in projected),
            values=tuple(values for _, values in projected),
            mask=mask,
            backend=torch.cat(
                [torch.full_like(batch.mask, -1, dtype=torch.long), batch.site_backend], dim=1
            ),
            sites=torch.cat([sites, nowhere], dim=1),
            site_us=batch.site_us,
            site_backend=batch.site_backend.masked_fill(~batch.site_mask, -2),
            base=self._base(encoded, batch),
            registers=self._registers(encoded, batch),
            code=self._code(encoded, batch),
            log_peak_us=batch.log_peak_us,
        )

    def score(self, memory: Memory, batch: ScheduleBatch) -> Outputs:
        """Predict what schedules of the workloads in ``memory`` take."""
        size, count, length = batch.words.shape
        width = memory.sites.shape[-1]
        at = batch.sites.view(size, -1, 1).expand(-1, -1, width)
        about = memory.sites.gather(1, at).view(size, count, length, width)
        choices = self.choices(batch.words) + self.numbers(batch.numbers) + about
        first = self.backend(batch.backends)[:, :, None]
        hidden = torch.cat([first, choices], dim=2)
        mask = torch.cat([batch.present[..., None], batch.mask], dim=2)
        # Of the sites a schedule sees those of its own backend, whichever others were read.
        own = (memory.backend[:, None] < 0) | (memory.backend[:, None] == batch.sees[..., None])
        seen = (own & memory.mask[:, None])[:, :, None].expand(-1, -1, hidden.shape[2], -1)
        seen = seen.reshape(size, 1, -1, seen.shape[-1])
        for layer, keys, values in zip(self.layers, memory.keys, memory.values, strict=True):
            hidden = layer(hidden, mask, keys, values, seen)
        read = self.norm(hidden[:, :, 0])
        which = batch.backends
        base = self._scheduled(hidden[:, :, 1:], read, memory, batch)
        out: Outputs = self.heads(
            read, base, _gathered(memory.registers, which),
            _gathered(memory.code, which), memory.log_peak_us[:, None],
        )  # fmt: skip
        return out

    def skim(self, memory: Memory, batch: ScheduleBatch) -> Tensor:
        """Logarithm of microseconds by the first stage, which ``distill`` taught: fast, less good.

        Shape (workloads, schedules).
        """
        factors, shift = self.first(batch, memory.sites)
        log_us: Tensor = self._over_sites(factors, memory, batch) + shift
        return log_us

    def forward(self, workloads: WorkloadBatch, schedules: ScheduleBatch) -> Outputs:
        """Read and score."""
        return self.score(self.encode(workloads), schedules)

    def _sites(self, batch: WorkloadBatch) -> Tensor:
        axes = self.axes(batch.axes)
        summed = axes.new_zeros(batch.size * batch.most_sites, axes.shape[-1])
        summed = summed.index_add(0, batch.axis_site, axes)
        summed = summed.view(batch.size, batch.most_sites, -1)
        sites: Tensor = self.sites(torch.cat([batch.sites, summed], dim=-1))
        return sites

    def _base(self, encoded: Tensor, batch: WorkloadBatch) -> Tensor:
        """Logarithm of the sum over the operations, and of a call."""
        step = _STEP_US * _counted(batch)
        least = torch.stack([batch.compute_us, batch.memory_us, step], dim=-1)
        known = (least > 0) & batch.mask[..., None]
        factors = self.factors(encoded).unflatten(-1, (3, -1))
        parts = least.clamp(min=1e-6).log()[..., None] + factors
        parts = parts.masked_fill(~known[..., None], -30.0).flatten(1, 2)
        call = self.call.expand(batch.size, 1, -1)
        return torch.cat([parts, call], dim=1).logsumexp(dim=1)

    def _scheduled(
        self, choices: Tensor, read: Tensor, memory: Memory, batch: ScheduleBatch
    ) -> Tensor:
        """Logarithm of the sum over the sites that a schedule sees; of a default, its base."""
        sites = memory.sites[:, :-1]
        chosen = _by_site(choices, batch, sites.shape[1])
        about = self.site_chosen(self.site_norm(chosen)) + self.site_itself(sites)[:, None]
        about = functional.gelu(about + self.site_schedule(read)[:, :, None])
        return self._over_sites(self.site_factors(about), memory, batch)

    def _over_sites(self, factors: Tensor, memory: Memory, batch: ScheduleBatch) -> Tensor:
        """Logarithm of the sum over a schedule's sites, each times its factors, and of a call."""
        step = torch.full_like(memory.site_us[..., :1], _STEP_US)
        least = torch.cat([memory.site_us, step], dim=-1)[:, None]
        own = memory.site_backend[:, None] == batch.sees[..., None]
        known = own[..., None] & (least > 0)
        parts = (least.clamp(min=1e-6).log() + factors).masked_fill(~known, -30.0).flatten(2)
        call = self.call[batch.backends][..., None]
        told = torch.cat([parts, call], dim=2).logsumexp(dim=2)
        base = memory.base.gather(1, batch.backends)
        return torch.where(own.any(dim=-1), told, base)

    def _registers(self, encoded: Tensor, batch: WorkloadBatch) -> Tensor:
        """Logarithms of the probabilities of the largest number over the operations.

        It is at most n where every operation's is, as if they were independent.
        """
        each = self.op_registers(encoded).unflatten(-1, (-1, MOST_REGISTERS + 1)).float()
        below = each.log_softmax(dim=-1).logcumsumexp(dim=-1)
        below = below.masked_fill(~_counted(batch)[..., None, None], 0.0).sum(dim=1).exp()
        shares = torch.diff(below, dim=-1, prepend=torch.zeros_like(below[..., :1]))
        return (shares.clamp(min=0.0) + 1e-4).log()

    def _code(self, encoded: Tensor, batch: WorkloadBatch) -> Tensor:
        """Logarithms of the sums over the operations."""
        each = self.op_code(encoded).unflatten(-1, (-1, len(_CODE)))
        each = each.masked_fill(~_counted(batch)[..., None, None], -30.0)
        summed: Tensor = each.logsumexp(dim=1) + each.new_tensor(_CODE)
        return summed


def _counted(batch: WorkloadBatch) -> Tensor:
    """The operations that compute or move something."""
    return ((batch.compute_us > 0) | (batch.memory_us > 0)) & batch.mask


def _by_site(choices: Tensor, batch: ScheduleBatch, sites: int) -> Tensor:
    """Sums of each site's choices: (workloads, schedules, sites, width)."""
    size, count, _, width = choices.shape
    at = batch.sites[..., None].expand(-1, -1, -1, width)
    summed = choices.new_zeros(size, count, sites + 1, width)
    return summed.scatter_add(2, at, choices * batch.mask[..., None])[:, :, :-1]


def _gathered(table: Tensor, which: Tensor) -> Tensor:
    """Of (workloads, backends, n) the rows of the backends: (workloads, schedules, n)."""
    return table.gather(1, which[..., None].expand(-1, -1, table.shape[-1]))


class _Tokens(nn.Module):
    """Operations as sums of their tokens: (size * ops, width)."""

    def __init__(self, config: CostConfig) -> None:
        super().__init__()
        width = config.width
        self.words = nn.Embedding(config.vocab_size, width, padding_idx=0)
        self.kinds = nn.Embedding(len(Kind), width)
        self.groups = nn.Embedding(GROUPS, width)
        self.slots = nn.Embedding(SLOTS, width)
        self.values = nn.Linear(WIDTH, width)
        self.mix = _mlp(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, batch: WorkloadBatch) -> Tensor:
        token = (
            self.words(batch.ids)
            + self.kinds(batch.kinds)
            + self.groups(batch.groups.clamp(max=GROUPS - 1))
            + self.slots(batch.slots.clamp(max=SLOTS - 1))
            + self.values(batch.token_values)
        )
        mixed = self.mix(token)
        ops = mixed.new_zeros(batch.size * batch.ops, mixed.shape[-1])
        summed: Tensor = self.norm(ops.index_add(0, batch.token_op, mixed))
        return summed


class _Neighbours(nn.Module):
    """One round of messages along the edges, both ways (Gilmer et al., ICML 2017).

    Means and the logarithms of how many there are: sums would grow with the function.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = _mlp(3 * width + 2, width)

    def forward(self, ops: Tensor, edges: Tensor) -> Tensor:
        readers, sources = edges[:, 0], edges[:, 1]
        known = self.norm(ops)
        read, reads = _means(known, sources, readers)
        readby, uses = _means(known, readers, sources)
        mixed: Tensor = ops + self.mix(torch.cat([known, read, readby, reads, uses], dim=-1))
        return mixed


def _means(table: Tensor, origin: Tensor, to: Tensor) -> tuple[Tensor, Tensor]:
    """Means of rows ``origin`` at ``to``, and the logarithm of 1 + their number."""
    total = torch.zeros_like(table).index_add(0, to, table[origin])
    count = table.new_zeros(len(table), 1).index_add(0, to, table.new_ones(len(to), 1))
    return total / count.clamp(min=1.0), count.log1p()


class _ScheduleLayer(nn.Module):
    """Attention of a schedule's choices to each other and to the workload, then feed-forward."""

    def __init__(self, config: CostConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.dropout = config.dropout
        self.norm_self, self.norm_cross, self.norm_feed = (nn.LayerNorm(width) for _ in range(3))
        self.own = nn.Linear(width, 3 * width, bias=False)
        self.own_out = nn.Linear(width, width, bias=False)
        self.query = nn.Linear(width, width, bias=False)
        self.memory = nn.Linear(width, 2 * width, bias=False)
        self.cross_out = nn.Linear(width, width, bias=False)
        self.feed = nn.Sequential(
            nn.Linear(width, config.feed_forward), nn.GELU(), nn.Linear(config.feed_forward, width)
        )

    def project(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a workload, (size, heads, positions, width / heads)."""
        keys, values = self.memory(memory).chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def forward(
        self, hidden: Tensor, mask: Tensor, keys: Tensor, values: Tensor, seen: Tensor
    ) -> Tensor:
        size, count, length, width = hidden.shape
        own = self.own(self.norm_self(hidden)).view(size * count, length, 3 * width)
        q, k, v = map(self._split, own.chunk(3, dim=-1))
        # A schedule that is padding attends to its first position, and is ignored.
        known = mask.view(size * count, 1, 1, length).clone()
        known[..., 0] = True
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=known)
        hidden = hidden + self._drop(self.own_out(self._join(attended)).view_as(hidden))
        query = self._split(self.query(self.norm_cross(hidden)).view(size, count * length, width))
        attended = functional.scaled_dot_product_attention(query, keys, values, attn_mask=seen)
        hidden = hidden + self._drop(self.cross_out(self._join(attended)).view_as(hidden))
        return hidden + self._drop(self.feed(self.norm_feed(hidden)))

    def _split(self, table: Tensor) -> Tensor:
        rows, length, width = table.shape
        return table.view(rows, length, self.heads, width // self.heads).transpose(1, 2)

    def _join(self, table: Tensor) -> Tensor:
        rows, heads, length, part = table.shape
        return table.transpose(1, 2).reshape(rows, length, heads * part)

    def _drop(self, table: Tensor) -> Tensor:
        return functional.dropout(table, self.dropout, self.training)


class _Heads(nn.Module):
    """What is predicted of a schedule."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = _mlp(width, width)
        self.latency = nn.Linear(width, 3)
        self.registers = nn.Linear(width, MOST_REGISTERS + 1)
        self.code = nn.Linear(width, len(_CODE) + 3)

    def forward(
        self, read: Tensor, base: Tensor, registers: Tensor, code: Tensor, log_peak_us: Tensor
    ) -> Outputs:
        mixed = read + self.mix(read)
        shift, below, above = self.latency(mixed).unbind(-1)
        log_us = base + shift
        spills, instructions, size, share, use, failure = self.code(mixed).unbind(-1)
        # Achieved over peak follows from the latency; the head corrects it where it counts.
        implied = torch.logit((log_peak_us - log_us.detach()).exp().clamp(1e-4, 0.98))
        return Outputs(
            log_us=log_us,
            below=functional.softplus(below - 1) + 1e-3,
            above=functional.softplus(above - 1) + 1e-3,
            registers=registers + self.registers(mixed),
            spills=functional.softplus(code[..., 0] + spills),
            instructions=code[..., 1] + instructions,
            code_bytes=code[..., 2] + size,
            vector_share=torch.sigmoid(share),
            utilization=torch.sigmoid(implied + use),
            failure=failure - 3,
        )


class _FirstStage(nn.Module):
    """Sums of choices, each by itself, over sites and over the whole: no attention."""

    def __init__(self, config: CostConfig) -> None:
        super().__init__()
        width = config.first_width
        self.words = nn.Embedding(len(config.choice_words), width, padding_idx=0)
        self.numbers = nn.Linear(CHOICE_WIDTH, width)
        self.sites = nn.Linear(config.width, width, bias=False)
        self.mix = nn.Sequential(nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.backend = nn.Embedding(len(config.backends), width)
        self.whole = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.each = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 3))

    def forward(self, batch: ScheduleBatch, sites: Tensor) -> tuple[Tensor, Tensor]:
        """Factors of each site, and of the whole; ``sites`` are (workloads, sites + 1, width)."""
        itself = self.sites(sites)
        at = batch.sites.view(len(sites), -1, 1).expand(-1, -1, itself.shape[-1])
        about = itself.gather(1, at).view(*batch.words.shape, -1)
        each = self.mix(self.words(batch.words) + self.numbers(batch.numbers) + about)
        summed = (each * batch.mask[..., None]).sum(dim=2) + self.backend(batch.backends)
        of_site = _by_site(each, batch, sites.shape[1] - 1) + itself[:, None, :-1]
        return self.each(of_site), self.whole(summed)[..., 0]


def _mlp(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width))


def _bert(config: CostConfig) -> Any:
    return ModernBertConfig(
        vocab_size=1, hidden_size=config.width, intermediate_size=config.feed_forward,
        num_hidden_layers=config.layers, num_attention_heads=config.heads,
        layer_types=["full_attention"] * config.layers, pad_token_id=0, bos_token_id=0,
        eos_token_id=0, cls_token_id=0, sep_token_id=0, attention_dropout=config.dropout,
        mlp_dropout=config.dropout, embedding_dropout=0.0,
    )  # fmt: skip
