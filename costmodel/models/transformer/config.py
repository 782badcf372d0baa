"""Sizes of the network, as ``transformers`` keeps them beside the weights."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

from costmodel.models.transformer.inputs import TARGET_WIDTH
from costmodel.models.transformer.sites import BACKENDS, TUNED

__all__ = ["CostConfig"]


class CostConfig(PreTrainedConfig):  # type: ignore[misc]
    """``vocab_size`` words of tokens, ``choice_words`` of schedules, ``backends`` in their order,
    the last of which stands for the fastest schedule of all.

    ``width`` is that of every hidden vector, ``layers`` those of the workload's encoder and
    ``schedule_layers`` those that score; ``first_width`` is that of the first stage. ``variant`` is
    what is read of a workload. ``target_low`` and ``target_high`` bound the numbers of the targets
    that were learned from: of others no more is believed.
    """

    model_type = "costmodel"

    def __init__(
        self,
        *,
        vocab_size: int = 512,
        choice_words: tuple[str, ...] | list[str] = (),
        backends: tuple[str, ...] | list[str] = (*BACKENDS, TUNED),
        variant: str = "values",
        width: int = 128,
        heads: int = 4,
        layers: int = 4,
        schedule_layers: int = 2,
        graph_rounds: int = 2,
        feed_forward: int = 192,
        first_width: int = 48,
        dropout: float = 0.2,
        target_low: tuple[float, ...] | list[float] = (0.0,) * TARGET_WIDTH,
        target_high: tuple[float, ...] | list[float] = (0.0,) * TARGET_WIDTH,
        **others: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.choice_words = list(choice_words)
        self.backends = list(backends)
        self.variant = variant
        self.width = width
        self.heads = heads
        self.layers = layers
        self.schedule_layers = schedule_layers
        self.graph_rounds = graph_rounds
        self.feed_forward = feed_forward
        self.first_width = first_width
        self.dropout = dropout
        self.target_low = list(target_low)
        self.target_high = list(target_high)
        super().__init__(**others)
