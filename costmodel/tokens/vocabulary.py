"""The words that a model knows, as a tokenizer of Hugging Face's ``tokenizers``.

They are those of ``dialects/*.toml``, which a data set need not show, and those of a data set. A
word that is in neither becomes a more general one: of an operation its dialect's
(``"amx.?"``), then any operation's; of an expression or a number any of its kind.
"""

from __future__ import annotations

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

__all__ = ["Encoded", "Vocabulary", "build_vocabulary"]

PADDING, UNKNOWN = "<pad>", "<unk>"
#: What a word of a kind falls back to.
_ANY = {kind: f"<{kind.name.lower()}>" for kind in Kind}
_STRUCTURE = ("{", "}", "^")
#: Words of every data set: element types, kinds of loops, accesses and costs.
_COMMON = (
    NUMBER, "%", "%arg", "%?", "?x", "tensor", "memref", "vector", "f16", "bf16", "f32", "f64",
    "i1", "i8", "i16", "i32", "i64", "index", "parallel", "reduction", "times", "flops", "bytes",
    "0", "c", "s", *(f"d{n}" for n in range(10)), "dense", "data", "[", "]", "true", "false",
)  # fmt: skip


@dataclass(frozen=True)
class Encoded:
    """A stream in numbers, an array element a token.

    ``ids`` are indices of the vocabulary, ``values`` NaN where there is none, ``op`` the number of
    the operation, ``group`` and ``slot`` as in ``Token``; ``ops`` is the number of operations,
    ``unknown`` of the tokens that the vocabulary had to generalize.
    """

    ids: NDArray[np.int32]
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

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    @cached_property
    def _index(self) -> dict[str, int]:
        return dict(self._tokenizer.get_vocab())

    def encode(self, stream: TokenStream) -> Encoded:
        """The stream in numbers; the same stream gives the same."""
        index, unknown = self._index, 0
        ids = np.empty(len(stream), np.int32)
        for place, token in enumerate(stream.tokens):
            found = index.get(token.word)
            if found is None:
                unknown += 1
                found = index[self._general(token)]
            ids[place] = found
        columns = list(zip(*stream.tokens, strict=True)) or [()] * len(Token._fields)
        kinds, _, op, values, group, slot = columns
        return Encoded(
            ids=ids,
            kinds=np.fromiter(kinds, np.int8, len(ids)),
            values=np.asarray(values, np.float64),
            op=np.asarray(op, np.int32),
            group=np.asarray(group, np.int16),
            slot=np.asarray(slot, np.int16),
            ops=stream.ops,
            unknown=unknown,
        )

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
        for prefix in ("%arg", "%", NUMBER):
            if token.word.startswith(prefix) and prefix in self._index:
                return prefix
        return _ANY[token.kind]


def build_vocabulary(streams: Iterable[TokenStream], *, least: int = 2) -> Vocabulary:
    """The words of the dialect tables and those that ``least`` of the streams have."""
    seen: Counter[str] = Counter()
    for stream in streams:
        seen.update(set(stream.words))
    operations = sorted(op_costs())
    dialects = sorted({name.partition(".")[0] for name in operations})
    words = [
        PADDING, UNKNOWN, *_ANY.values(), *_STRUCTURE, *_COMMON, *operations,
        *(f"{dialect}.?" for dialect in dialects),
        *sorted(word for word, count in seen.items() if count >= least),
    ]  # fmt: skip
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return Vocabulary(tokenizer)
