"""Rewriting upstream's tune operations: nothing else changes, and places stay right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iree.compiler import ir

from costmodel.errors import ParseError
from costmodel.ir.lexer import normal_form
from costmodel.ir.tune_fill import filled
from costmodel.ir.tune_syntax import MARK, rewrite
from costmodel.records import SourceLocation

KNOB = '%k = transform.tune.knob<"k"> = 2 from options = [1, 2] {} -> !transform.any_param'
WAYS = """%w:2 = transform.tune.alternatives<"w"> selected_region = 1
    -> !transform.any_param, !transform.param<i64> {
  transform.yield %k, %n : !transform.any_param, !transform.param<i64>
}, {
  %j = transform.tune.knob<"inner"> options = [affine_map<(d0) -> (d0)>] -> !transform.any_param
  transform.yield %j, %n : !transform.any_param, !transform.param<i64>
}"""
BY_KNOB = """transform.tune.alternatives<"by"> selected_region = %n : !transform.param<i64> {
}, {
  transform.tune.alternatives<"innermost"> {}, {}, { transform.yield }
}"""
SCRIPT = f"""module attributes {{transform.with_named_sequence}} {{
  transform.named_sequence @__transform_main(%m: !transform.any_op {{transform.readonly}}) {{
    %n = transform.param.constant 1 -> !transform.param<i64>
    {KNOB}
    {WAYS}
    {BY_KNOB}
    transform.yield
  }}
}}
"""


def marked(text: str) -> list[str]:
    """Names of the operations that MLIR finds rewritten."""
    module = ir.Module.parse(rewrite(text).text, ir.Context())
    found: list[str] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if MARK in op.attributes:
            found.append(op.name)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found


def test_mlir_parses_what_is_written_instead() -> None:
    knob, ways = "transform.param.constant", "transform.foreach"
    assert marked(SCRIPT) == [knob, ways, knob, ways, ways]
    assert marked(normal_form(SCRIPT)) == marked(SCRIPT)


@pytest.mark.parametrize(
    "text",
    [
        '// transform.tune.knob<"k"> options = [1] -> !transform.any_param\n',
        'module attributes {a = "transform.tune.knob<", b = "\\"transform.tune.knob<"} {}',
        "module attributes {transform.tune.knob = 1, b = [transform.tune.knob]} {}",
        'f ops{["transform.tune.knob", "transform.tune.alternatives"]} g',
        "%transform.tune.knob<1> @transform.tune.knob<1> transform.tune.knobs<1>",
        "",
        "no scripts here",
    ],
)
def test_all_else_is_left_alone(text: str) -> None:
    assert rewrite(text).text == text
    assert filled(text, {"k": "1 : i64"}) == text


@given(st.text(st.sampled_from(list('abc"\\/\n {}[]()<>=%,:µ€→')), max_size=60))
def test_text_without_tune_operations_is_left_alone(text: str) -> None:
    assert rewrite(text).text == text


PIECES = st.sampled_from([
    KNOB, WAYS, BY_KNOB, "transform.tune.knob", "transform.tune.alternatives", "<", ">", '"k"',
    "=", "from", "options", "selected_region", "->", "!t", "[1]", "{", "}", ",", "(", ")", "%p",
    '"transform.tune.knob"', '"transform.tune.alternatives"', "\n", " ", ":", "^bb0:", "1",
])  # fmt: skip


@given(st.lists(PIECES, max_size=20).map(" ".join))
def test_whatever_is_written_is_rewritten_or_an_error_with_a_place(text: str) -> None:
    refusal = None
    try:
        rewritten = rewrite(text)
    except ParseError as error:
        refusal = error
    if refusal is not None:
        assert refusal.location is not None
        assert 1 <= refusal.location.line <= text.count("\n") + 1
        assert refusal.hint
        return
    assert "transform.tune.knob<" not in rewritten.text
    for line, content in enumerate(rewritten.text.split("\n"), start=1):
        for column in range(1, len(content) + 2):
            place = rewritten.place(SourceLocation("", line, column))
            assert 1 <= place.line <= text.count("\n") + 1


@given(st.lists(st.sampled_from([KNOB, WAYS, BY_KNOB, "µ", "\n", "@mark", " "]), max_size=9))
def test_places_point_at_the_same_characters(parts: list[str]) -> None:
    text = " ".join([*parts, "@mark"])
    rewritten = rewrite(text)

    def places(of: str) -> list[tuple[int, int]]:
        lines = of.split("\n")
        return [
            (number, len(line[:at].encode()) + 1)
            for number, line in enumerate(lines, start=1)
            for at in range(len(line)) if line.startswith("@mark", at)
        ]  # fmt: skip

    back = [rewritten.place(SourceLocation("", *place)) for place in places(rewritten.text)]
    assert [(place.line, place.column) for place in back] == places(text)


def test_an_error_in_a_rewritten_operation_names_what_the_user_wrote() -> None:
    rewritten = rewrite(SCRIPT)
    line = next(n for n, t in enumerate(rewritten.text.split("\n"), 1) if "value" in t)
    column = rewritten.text.split("\n")[line - 1].index('"transform.param.constant"') + 1
    place = SourceLocation("", line, column)
    assert rewritten.message("'transform.param.constant' op", place) == "'transform.tune.knob' op"
    assert rewritten.place(place) == SourceLocation("", 4, 10)
    elsewhere = SourceLocation("", 1, 1)
    assert rewritten.message("'transform.foreach'", elsewhere) == "'transform.foreach'"


def test_names_of_our_own_do_not_meet_the_users() -> None:
    text = SCRIPT.replace("%k", "%costmodel1c").replace("%n", "%costmodel_1c")
    assert marked(text) == marked(SCRIPT)


def test_filling_in_is_upstreams_syntax_and_reads_again() -> None:
    choices = {"k": "1 : i64", "w": "0 : i64", "innermost": "2 : i64", "by": "0 : i64"}
    made = filled(SCRIPT, choices)
    assert 'knob<"k"> = 1 : i64 from options = [1, 2]' in made
    assert 'alternatives<"w"> selected_region = 0\n' in made
    assert 'alternatives<"innermost"> selected_region = 2 {}' in made
    assert 'knob<"inner"> options' in made
    assert marked(made) == marked(SCRIPT)
    assert filled(made, choices) == made


def test_filling_in_the_generic_form() -> None:
    text = """
      %1 = "transform.tune.knob"() <{name = "a b", options = [1, [2, 3]], selected = 1 : i64}> : f
      %2 = "transform.tune.knob"() {name = "\\22q\\22", options = [1, 2]} : f
      "transform.tune.alternatives"() <{name = "way"}> ({}, {}) : f
    """
    choices = {"a b": "[2, 3]", '"q"': "2 : i64", "way": "1 : i64"}
    made = filled(text, choices)
    assert "options = [1, [2, 3]], selected = [2, 3]}>" in made
    assert "options = [1, 2], selected = 2 : i64}" in made
    assert '{name = "way", selected_region_attr = 1 : index}' in made
    assert filled(made, choices) == made
