"""Words and their numbers: saved and loaded alike, and general where a word is not known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from costmodel.errors import UsageError
from costmodel.ir import read_workload
from costmodel.ir.costs import op_costs
from costmodel.tokens.stream import Kind, Token, TokenStream, Variant
from costmodel.tokens.vocabulary import Vocabulary, build_vocabulary
from costmodel.tokens.writer import tokenize

KERNELS = sorted((Path(__file__).resolve().parents[2] / "kernels").glob("*.mlir"))[::8]


@pytest.fixture(scope="module")
def streams() -> list[TokenStream]:
    return [tokenize(read_workload(path)) for path in KERNELS]


@pytest.mark.parametrize("variant", list(Variant))
def test_what_the_vocabulary_was_built_from_is_known(
    streams: list[TokenStream], variant: Variant
) -> None:
    shown = [stream.shown(variant) for stream in streams]
    vocabulary = build_vocabulary(shown, least=1)
    for stream in shown:
        encoded = vocabulary.encode(stream)
        words = vocabulary.decode(encoded.ids)
        assert [word for word in words if not word.startswith("~")] == stream.words
        assert encoded.unknown == 0
        assert len(encoded.values) == len(encoded.op) == len(encoded.general) == len(words)


def test_names_are_read_by_their_pieces_without_data() -> None:
    vocabulary = build_vocabulary([])
    tokens = tuple(Token(Kind.OP, name, n) for n, name in enumerate(op_costs()))
    encoded = vocabulary.encode(TokenStream(tokens, len(tokens)))
    assert encoded.unknown == len(tokens)  # the whole names
    one = vocabulary.encode(TokenStream((Token(Kind.OP, "linalg.conv_1d_nwc_wcf", 0),), 1))
    assert vocabulary.decode(one.ids) == ["linalg.?", "~linalg", "~conv", "~1d", "~nwc", "~wcf"]
    assert vocabulary.decode(one.general) == ["linalg.?", *["<unk>"] * 5]


def test_unknown_words_become_more_general() -> None:
    vocabulary = build_vocabulary([])
    tokens = (
        Token(Kind.OP, "arith.frobnicate", 0), Token(Kind.OP, "amx.tile_mulf", 1),
        Token(Kind.OPERAND, "%arg117", 1), Token(Kind.OPERAND, "%93", 1),
        Token(Kind.TYPE, "#1234", 1), Token(Kind.ATTRIBUTE, "odd=", 1), Token(Kind.TYPE, "f4", 1),
        Token(Kind.ATTRIBUTE, "#-1.5e-05", 1), Token(Kind.ATTRIBUTE, "#arith.fastmath<fast>", 1),
    )  # fmt: skip
    encoded = vocabulary.encode(TokenStream(tokens, 2))
    assert encoded.unknown == len(tokens) + 3
    assert vocabulary.decode(encoded.ids) == [
        "arith.?", "~arith", "<unk>", "<op>", "<unk>", "<unk>", "~mulf", "%arg", "%", "#",
        "<attribute>", "<type>", "#", "<attribute>",
    ]  # fmt: skip


def test_it_is_the_same_after_saving(streams: list[TokenStream], tmp_path: Path) -> None:
    vocabulary = build_vocabulary(streams)
    vocabulary.save(tmp_path / "tokenizer.json")
    loaded = Vocabulary.load(tmp_path / "tokenizer.json")
    for stream in streams:
        assert np.array_equal(loaded.encode(stream).ids, vocabulary.encode(stream).ids)


@pytest.mark.parametrize("text", ["", "{}", "not json"])
def test_no_tokenizer_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be read as a tokenizer"):
        Vocabulary.load(path)


def test_a_function_without_tokens_is_empty_arrays() -> None:
    encoded = build_vocabulary([]).encode(TokenStream((), 0))
    assert len(encoded.ids) == len(encoded.values) == 0
