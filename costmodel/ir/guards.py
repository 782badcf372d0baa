"""Which of a script's decisions count: those of regions that are not chosen do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from costmodel.records import Decision

__all__ = ["active"]


def active(decisions: Sequence[Decision], choices: Mapping[str, int]) -> dict[str, int]:
    """Of a choice for each decision those that count, by name."""
    return {
        each.name: choices[each.name]
        for each in decisions
        if any(all(choices[name] == number for name, number in guard) for guard in each.guards)
    }
