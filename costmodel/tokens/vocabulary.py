"""The words that a model knows, as a tokenizer of Hugging Face's ``tokenizers``.

Of an operation a model also reads the pieces of its name (``linalg.conv_1d_nwc_wcf`` has ``conv``
and ``1d``), so that it can say something of names that its data did not show. Whole names are those
of the data, pieces also those of ``dialects/*.toml``. A word that is not known becomes a more
general one: of an operation its dialect's (``"amx.?"``), then any operation's; of an expression or
a number any of its kind.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from costmodel.errors import UsageError
from costmodel.ir.costs import op_costs
from costmodel.tokens.stream import NUMBER, Kind, Token, TokenStream

__all__ = ["Encoded", "Vocabulary", "build_vocabulary", "pieces"]

PADDING, UNKNOWN = "<pad>", "<unk>"
#: What a word of a kind falls back to.
_ANY = {kind: f"<{kind.name.lower()}>" for kind in Kind}
#: A number as a word of its own, unlike an attribute such as ``#arith.fastmath<fast>``.
_SPELLED = re.compile(rf"{NUMBER}([-+]?\d.*|[-+]?(inf|nan))?")
_STRUCTURE = ("{", "}", "^")
_TYPES = ("f16", "bf16", "f32", "f64", "i1", "i8", "i16", "i32", "i64")
#: Words of every data set: element types, kinds of loops, accesses and costs.
_COMMON = (
    NUMBER, "%", "%arg", "%?", "?x", "tensor", "memref", "vector", "index", "parallel", "reduction",
    "times", "bytes", "c", "s", *(f"d{n}" for n in range(10)), "dense", "data", "[", "]", "true",
    "false", *_TYPES, *(f"flops:{name}" for name in _TYPES), *(str(n) for n in range(5)),
)  # fmt: skip


@dataclass(frozen=True)
class Encoded:
    """A stream in numbers, an array element a token or a piece of an operation's name.

    ``ids`` are indices of the vocabulary, ``general`` those of what each would be if it were not
    known, ``values`` NaN where there is none, ``op`` the number of the operation, ``group`` and
    ``slot`` as in ``Token``; ``ops`` is the number of operations, ``unknown`` of the tokens and
    pieces that the vocabulary had to generalize.
    """

    ids: NDArray[np.int32]
    general: NDArray[np.int32]
    kinds: NDArray[np.int8]
    values: NDArray[np.float64]
    op: NDArray[np.int32]
    group: NDArray[np.int16]
    slot: NDArray[np.int16]
    ops: int
    unknown: int


class Vocabulary:
    """Words and their indices; immutable."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._read: dict[tuple[Kind, str], tuple[tuple[int | None, int], ...]] = {}

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    @cached_property
    def _index(self) -> dict[str, int]:
        return dict(self._tokenizer.get_vocab())

    def encode(self, stream: TokenStream) -> Encoded:
        """The stream in numbers; the same stream gives the same."""
        ids: list[int] = []
        general: list[int] = []
        rows: list[int] = []
        unknown = 0
        for row, token in enumerate(stream.tokens):
            for found, instead in self._entries(token):
                ids.append(instead if found is None else found)
                general.append(instead)
                rows.append(row)
                unknown += found is None
        columns = list(zip(*stream.tokens, strict=True)) or [()] * len(Token._fields)
        kinds, _, op, values, group, slot = columns
        return Encoded(
            ids=np.array(ids, np.int32),
            general=np.array(general, np.int32),
            kinds=np.array(kinds, np.int8)[rows],
            values=np.array(values, np.float64)[rows],
            op=np.array(op, np.int32)[rows],
            group=np.array(group, np.int16)[rows],
            slot=np.array(slot, np.int16)[rows],
            ops=stream.ops,
            unknown=unknown,
        )

    def _entries(self, token: Token) -> tuple[tuple[int | None, int], ...]:
        """Indices of a token's word and of the pieces of it, each with that of a general one."""
        key = (token.kind, token.word)
        known = self._read.get(key)
        if known is None:
            index = self._index
            instead = index[self._general(token)]
            entries = [(index.get(token.word), instead)]
            if token.kind is Kind.OP:
                entries += [(index.get(p), index[UNKNOWN]) for p in pieces(token.word)]
            known = self._read[key] = tuple(entries)
        return known

    def decode(self, ids: Sequence[int]) -> list[str]:
        """The words of indices."""
        return [str(self._tokenizer.id_to_token(int(index))) for index in ids]

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``."""
        self._tokenizer.save(str(path))

    @staticmethod
    def load(path: Path) -> Vocabulary:
        """Read what ``save`` wrote. Raises UsageError for a file that is absent or is none."""
        try:
            return Vocabulary(Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare Exception
            raise UsageError(f"{path} cannot be read as a tokenizer: {error}") from error

    def _general(self, token: Token) -> str:
        if token.kind is Kind.OP:
            dialect = f"{token.word.partition('.')[0]}.?"
            return dialect if dialect in self._index else _ANY[Kind.OP]
        for prefix in ("%arg", "%"):
            if token.word.startswith(prefix) and prefix in self._index:
                return prefix
        return NUMBER if _SPELLED.fullmatch(token.word) else _ANY[token.kind]


def pieces(name: str) -> list[str]:
    """The parts of an operation's name, as the vocabulary has them: ``~linalg``, ``~matmul``."""
    return [f"~{piece}" for piece in name.replace(".", "_").split("_") if piece]


def build_vocabulary(streams: Iterable[TokenStream], *, least: int = 2) -> Vocabulary:
    """What ``least`` of the streams have, and the pieces of the dialect tables' names."""
    seen: Counter[str] = Counter()
    for stream in streams:
        seen.update(set(stream.words))
    operations = sorted(op_costs())
    dialects = sorted({name.partition(".")[0] for name in operations})
    words = [
        PADDING, UNKNOWN, *_ANY.values(), *_STRUCTURE, *_COMMON,
        *(f"{dialect}.?" for dialect in dialects),
        *sorted({piece for name in operations for piece in pieces(name)}),
        *sorted(word for word, count in seen.items() if count >= least),
    ]  # fmt: skip
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return Vocabulary(tokenizer)
