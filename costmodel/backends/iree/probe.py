"""Which of the compiler's flags change what it makes of a program: most do nothing for most."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from costmodel.backends.iree.compiler import staged_text
from costmodel.backends.iree.schedules import Settings
from costmodel.errors import BackendError

__all__ = ["effective_options"]

#: All that IREE itself does is done after this phase; LLVM comes next.
_PHASE = "executable-targets"
#: What this flag does depends on the remainders that a tiling leaves.
_BY_TILING = "iree-llvmcpu-vector-pproc-strategy"


def effective_options(
    text: str, options: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """The flags with those values that make another program, each of another kind.

    A value under which IREE refuses the program is left out. Runs the compiler up to LLVM once a
    value, on all cores: some seconds. Where the program is refused without flags, nothing is left.
    """
    pairs = [("", "")] + [(name, value) for name, values in options.items() for value in values]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(lambda pair: _outcome(text, *pair), pairs))
    default = made[0]
    found: dict[str, dict[str, str]] = {}
    for (name, value), outcome in zip(pairs[1:], made[1:], strict=True):
        kept = found.setdefault(name, {})
        if outcome is None or default is None:
            continue
        if name == _BY_TILING:
            kept[value] = value
        elif outcome != default:
            kept.setdefault(outcome, value)
    return {name: tuple(kept.values()) for name, kept in found.items() if kept}


def _outcome(text: str, name: str, value: str) -> str | None:
    """What the program becomes under a flag, as a hash; None where the compiler fails."""
    try:
        return _staged_hash(text, name, value)
    except BackendError:
        return None


# A process that is asked of the same kernel again need not wait again; a failure is no answer to
# keep, as it may have been the machine's.
@lru_cache(maxsize=1024)
def _staged_hash(text: str, name: str, value: str) -> str:
    settings = Settings(flags={name: value} if name else {})
    staged = staged_text(text, _PHASE, settings.arguments, locations=False)
    return hashlib.sha256(staged.encode()).hexdigest()
