"""Trained weights as files: written whole, and read without trust.

A folder has ``config.json`` and ``model.safetensors`` (as ``transformers`` saves them),
``tokenizer.json``, and ``costmodel.json``: the calibration, the targets learned from, how it was
trained, and the SHA-256 of the others. Nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers.utils.logging import disable_progress_bar

from costmodel.corpus.tables import sha256
from costmodel.errors import UsageError
from costmodel.models.transformer.calibration import Calibration
from costmodel.models.transformer.config import CostConfig
from costmodel.models.transformer.network import CostNetwork
from costmodel.records import Target
from costmodel.store.codec import DecodeError, target_from_json, target_to_json
from costmodel.tokens.vocabulary import Vocabulary

__all__ = [
    "FACTS",
    "FORMAT",
    "LEARNED_DIGITS",
    "Weights",
    "familiar",
    "load_weights",
    "save_weights",
]

FORMAT = "costmodel-transformer-2"
FACTS = "costmodel.json"
#: Digits of a function's hash by which it is told.
LEARNED_DIGITS = 12
_TENSORS = "model.safetensors"
_FILES = ("config.json", _TENSORS, "tokenizer.json")
_HINT = "copy the folder again, or train anew with `costmodel train`"


@dataclass(frozen=True)
class Weights:
    """A trained network and what belongs to it; ``training`` says how it came about."""

    network: CostNetwork
    vocabulary: Vocabulary
    calibration: Calibration
    targets: tuple[Target, ...]
    training: Mapping[str, Any] = field(default_factory=dict)
    #: Beginnings of the hashes of all functions that these weights depend on.
    learned: frozenset[str] = frozenset()


def save_weights(weights: Weights, folder: Path) -> None:
    """Write all files; ``costmodel.json``, without which they are not read, comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).unlink(missing_ok=True)
    disable_progress_bar()
    weights.network.to("cpu").save_pretrained(folder)
    # The library makes it for its owner alone.
    (folder / _TENSORS).chmod((folder / "config.json").stat().st_mode)
    weights.vocabulary.save(folder / "tokenizer.json")
    targets = {}
    for target in weights.targets:
        facts, rates = target_to_json(target)
        targets[target.hash] = {"facts": facts, "rates": rates}
    written = {
        "format": FORMAT,
        "calibration": weights.calibration.to_json(),
        "targets": targets,
        "training": dict(weights.training),
        "learned": "".join(sorted(weights.learned)),
        "files": {name: sha256(folder / name) for name in _FILES},
    }
    text = json.dumps(written, indent=1, sort_keys=True) + "\n"
    new = folder / f"{FACTS}.new"
    new.write_text(text, encoding="utf-8")
    new.replace(folder / FACTS)


def load_weights(folder: Path) -> Weights:
    """Read what ``save_weights`` wrote.

    Raises UsageError for a folder that is none, for files that are truncated, of another format,
    or not those that were written.
    """
    facts = _facts(folder)
    for name in _FILES:
        path = folder / name
        if not path.is_file():
            raise UsageError(f"the weights in {folder} lack {name}", hint=_HINT)
        if sha256(path) != facts["files"].get(name):
            raise UsageError(
                f"{path} is not the file that was saved: its SHA-256 differs, so it is truncated "
                "or was changed",
                hint=_HINT,
            )
    return Weights(
        network=_network(folder),
        vocabulary=Vocabulary.load(folder / "tokenizer.json"),
        calibration=Calibration.from_json(facts["calibration"]),
        targets=_targets(folder, facts["targets"]),
        training=facts["training"],
        learned=_learned(facts.get("learned")),
    )


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / FACTS
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind = facts["format"]
        parts = [facts[name] for name in ("calibration", "targets", "training", "files")]
    except FileNotFoundError:
        reason = f"has no {FACTS}: it holds no weights" if folder.is_dir() else "is no folder"
        raise UsageError(
            f"{folder} {reason}",
            hint="train some with `costmodel train --data ... --out ...`",
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path} cannot be read: {reason}", hint=_HINT) from error
    if kind != FORMAT:
        raise UsageError(
            f"the weights in {folder} are of the format {kind!r}, and this version reads "
            f"{FORMAT!r}",
            hint="train them anew with `costmodel train`, or use the version that wrote them",
        )
    if not all(isinstance(part, dict) for part in parts):
        raise UsageError(f"{path} cannot be read: a part of it is no object")
    return facts


def _learned(given: object) -> frozenset[str]:
    text, digits = str(given or ""), LEARNED_DIGITS
    return frozenset(text[at : at + digits] for at in range(0, len(text), digits))


def _network(folder: Path) -> CostNetwork:
    from safetensors.torch import load_file

    try:
        config = CostConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type != CostConfig.model_type or not config.choice_words:
            raise UsageError(f"{folder} holds the weights of another model: {config.model_type}")
        network = CostNetwork(config)
        network.load_state_dict(load_file(folder / _TENSORS))
    except UsageError:
        raise
    except Exception as error:  # what a wrong file makes of three libraries is theirs to say
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"the weights in {folder} cannot be read: {reason}") from error
    network.eval()
    return network


def _targets(folder: Path, given: Mapping[str, Any]) -> tuple[Target, ...]:
    try:
        return tuple(
            target_from_json(key, entry["facts"], entry["rates"]) for key, entry in given.items()
        )
    except (DecodeError, TypeError, KeyError) as error:
        raise UsageError(f"the weights in {folder} describe a target badly: {error}") from error


def familiar(target: Target, known: Sequence[Target]) -> bool:
    """Whether a model of the targets ``known`` can say something of ``target``.

    It must be alike in what decides the machine code: kind, architecture and vector width. Another
    clock or cache changes the level of latencies, which tuning learns, more than their order.
    """
    return any(
        (one.kind, one.arch, one.vector_bytes) == (target.kind, target.arch, target.vector_bytes)
        for one in known
    )
