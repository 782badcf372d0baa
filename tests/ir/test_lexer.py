"""Tokens of MLIR text, and the normal form that is made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.ir.lexer import attribute_end, closing, normal_form, tokens_of

MLIR = st.lists(
    st.sampled_from([
        *"()[]{}<>,:=-", " ", "\n", "->", "//", '"', "\\", "%a", "#map", "!t.p<i64>", "options",
        '"text"', '"a // b"', "// a comment\n", "1.5 : f32", "µ", "\t",
    ]),
    max_size=40,
).map("".join)  # fmt: skip


def texts(text: str) -> list[str]:
    return [token.text for token in tokens_of(text)]


@given(MLIR)
def test_tokens_are_pieces_of_the_text_in_order(text: str) -> None:
    end = 0
    for token in tokens_of(text):
        assert end <= token.start < token.end
        assert text[token.start : token.end] == token.text
        end = token.end


@given(MLIR)
def test_the_normal_form_has_the_same_tokens_and_is_its_own(text: str) -> None:
    normal = normal_form(text)
    assert texts(normal) == texts(text)
    assert normal_form(normal) == normal


@given(MLIR)
def test_comments_empty_lines_and_indentation_are_nothing(text: str) -> None:
    taste = "\n\n".join("   " + line + " // words" for line in text.split("\n"))
    if '"' in text or "//" in text:
        return  # a comment in a string is none, and one in a comment neither
    assert normal_form(taste) == normal_form(text)


def test_a_string_is_one_token_and_a_comment_is_none() -> None:
    assert texts('f "a \\" // b" // c "d"\n g') == ["f", '"a \\" // b"', "g"]


@pytest.mark.parametrize(
    ("text", "end"),
    [("(a[b]{c})d", 8), ("(a", None), ("(a]", None), ("{(})", None), ('(")")', 2)],
)
def test_closing(text: str, end: int | None) -> None:
    assert closing(tokens_of(text), 0) == end


@pytest.mark.parametrize(
    "attribute",
    [
        "[1, 2]",
        "affine_map<(d0) -> (d0)>",
        "affine_set<(d0) : (d0 - 2 >= 0)>",
        "#d.a<b = <[1], {c}>, d -> e>",
        "dense<1.0> : tensor<4xf32>",
        '"-> {"',
        "{a = 1, b = [2]}",
    ],
)
def test_an_attribute_ends_before_the_arrow(attribute: str) -> None:
    tokens = tokens_of(f"{attribute} -> !t")
    end = attribute_end(tokens, 0, lambda at: tokens[at].text == "->")
    assert end is not None
    assert "".join(token.text for token in tokens[:end]) == attribute.replace(" ", "").replace(
        '"->{"', '"-> {"'
    )


def test_the_form_of_a_function() -> None:
    assert normal_form("a (b, // c\n\n   d) {\n e [\n f]\n}, {g\n}") == (
        "a (b,\n  d) {\n  e [\n    f]\n}, {g\n}\n"
    )
