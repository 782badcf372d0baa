"""Scripts of files: what is kept of them, what they leave open, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from iree.compiler import ir

from costmodel.errors import InputError, ParseError, UnsupportedError, UsageError
from costmodel.ir import active, read_located, read_text, read_workload
from costmodel.ir.resolve import resolved

ROOT = Path(__file__).parents[2]
EVERY_KIND = ROOT / "tests/golden/ir/script_of_every_kind.mlir"
FUNCTION = """
  func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
    %0 = math.exp %a : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
"""


def scripted(body: str, more: str = "") -> str:
    return f"""module attributes {{transform.with_named_sequence}} {{{FUNCTION}{more}
  transform.named_sequence @__transform_main(%m: !transform.any_op {{transform.readonly}}) {{
    {body}
    transform.yield
  }}
}}
"""


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read_text(text, file_name="script.mlir")
    assert caught.value.message
    assert caught.value.location is not None
    assert caught.value.exit_status == 2
    return caught.value


def test_a_script_changes_neither_hash_nor_equality() -> None:
    with_script, plain = read_text(scripted("")), read_text(FUNCTION)
    assert with_script.script is not None
    assert plain.script is None
    assert with_script.hash == plain.hash
    assert with_script == plain


def test_a_module_for_transforms_without_any_has_no_script() -> None:
    text = f"module attributes {{transform.with_named_sequence}} {{{FUNCTION}}}"
    assert read_text(text).script is None


def test_comments_and_indentation_are_no_part_of_a_script() -> None:
    text = scripted("// words\n\n")
    assert read_text(text).script == read_text(text.replace("    ", "\t ").rstrip()).script
    assert "words" not in read_text(text).script.text


def test_the_script_is_for_the_function_that_is_chosen() -> None:
    more = FUNCTION.replace("@f", "@g").replace("exp", "sqrt")
    workload = read_text(scripted("", more), function="g")
    assert workload.script.function == "g"
    module = resolved(workload.script.text, "g", {})
    assert "math.sqrt" in module
    assert "math.exp" not in module
    assert "@g(" in module


def test_the_place_of_the_function_is_the_users() -> None:
    knob = 'transform.tune.knob<"k"> options = [1] -> !transform.any_param'
    main, attribute = (
        f"transform.named_sequence @__transform_main(%m: !transform.any_op {{transform.readonly}})"
        f" {{ %k = {knob} transform.yield }} func.func @f(%a: f32) -> f32 {{ return %a : f32 }}",
        "transform.with_named_sequence",
    )
    text = f"module attributes {{{attribute}}} {{ {main} }}\n"
    place = read_located(text)[1].place
    assert (place.line, place.column) == (1, text.index("func.func") + 1)


def test_what_counts_follows_from_what_is_chosen() -> None:
    decisions = read_workload(EVERY_KIND).script.decisions
    names = [each.name for each in decisions]
    first = dict.fromkeys(names, 0)
    assert set(active(decisions, first)) == set(names) - {"idle"}
    assert "size" in active(decisions, first | {"inner": 2})
    assert "size" not in active(decisions, first | {"inner": 1})
    assert {"inner", "size"}.isdisjoint(active(decisions, first | {"outer": 1}))
    assert "only in the second" not in active(decisions, first | {"way": 1})


def test_a_script_resolved_has_constants_and_the_chosen_regions_alone() -> None:
    script = read_workload(EVERY_KIND).script
    choices = {
        "word": "unit", "fixed": "7 : i64", "way": "1 : i64", "only in the second": "2 : i64",
        "outer": "0 : i64", "inner": "0 : i64", "size": "4 : i64",
    }  # fmt: skip
    text = resolved(script.text, script.function, choices)
    assert ir.Module.parse(text, ir.Context()).operation.verify()
    assert "costmodel" not in text
    assert "constant unit" in text
    assert text.count("transform.foreach") == 3  # the regions that are chosen
    assert "constant 4 : i64 -> !transform.param<i64>" in text
    assert '"size"' not in text


@pytest.mark.parametrize(
    "change",
    [
        {"word": '"dog"'},
        {"size": "3 : i64"},
        {"nothing": "1 : i64"},
        {"outer": "1 : i64"},  # then others do not count
        {"outer": None},
    ],
)
def test_choices_of_another_script_are_refused(change: dict[str, str | None]) -> None:
    script = read_workload(EVERY_KIND).script
    choices = {
        "word": "unit", "fixed": "7 : i64", "way": "1 : i64", "only in the second": "2 : i64",
        "outer": "0 : i64", "inner": "1 : i64",
    }  # fmt: skip
    resolved(script.text, script.function, choices)
    changed = {name: value for name, value in (choices | change).items() if value is not None}
    with pytest.raises(UsageError):
        resolved(script.text, script.function, changed)


def test_what_a_store_may_hold_is_checked_like_a_file() -> None:
    with pytest.raises(UsageError, match="no script"):
        resolved(FUNCTION, "f", {})
    with pytest.raises(ParseError):
        resolved("module {", "f", {})
    with pytest.raises(ParseError, match="nested"):
        resolved("(" * 1000, "f", {})
    run = 'transform.apply_registered_pass "view-op-graph" to %m'
    text = scripted(f"{run} : (!transform.any_op) -> !transform.any_op")
    with pytest.raises(UnsupportedError, match="apply_registered_pass"):
        resolved(text.replace("transform.readonly", "transform.consumed"), "f", {})
    with pytest.raises(InputError):
        resolved(scripted("").replace("math.exp %a", "test.unknown %a"), "f", {})


def test_a_million_options_are_too_many() -> None:
    options = ", ".join(map(str, range(1_000_000)))
    knob = f'%0 = transform.tune.knob<"k"> options = [{options}] -> !transform.any_param'
    assert "1000000 options" in refusal(scripted(knob)).message


def test_a_huge_name_is_refused_or_read() -> None:
    knob = f'%0 = transform.tune.knob<"{"k" * 1_000_000}"> options = [1] -> !transform.any_param'
    assert "KiB" in refusal(scripted(knob)).message


@pytest.mark.parametrize("depth", [6, 7, 190, 100_000])
def test_deep_alternatives_are_read_or_refused(depth: int) -> None:
    body = "".join(f'transform.tune.alternatives<"{n}"> {{ ' for n in range(depth)) + "}" * depth
    if depth == 6:
        assert len(read_text(scripted(body)).script.decisions) == depth
    else:
        assert "deep" in refusal(scripted(body)).message


def test_sequences_that_double_are_refused_and_not_run_forever() -> None:
    sequences = []
    for number in range(20):
        include = (
            f"transform.include @s{number + 1} failures(propagate) (%m) : (!transform.any_op) -> ()"
        )
        inner = include if number < 19 else ""
        sequences.append(
            f"transform.named_sequence @s{number}(%m: !transform.any_op {{transform.readonly}}) {{"
            f'transform.tune.alternatives<"{number}"> {{ {inner} }}, {{ {inner} }}'
            "transform.yield }"
        )
    main = "transform.include @s0 failures(propagate) (%m) : (!transform.any_op) -> ()"
    assert "too many" in refusal(scripted(main, "\n".join(sequences))).message


def test_a_file_that_is_too_large_for_every_schedule_is_refused() -> None:
    numbers = ", ".join(["1.0"] * 100_000)
    constant = f"%c = arith.constant dense<[{numbers}]> : tensor<100000xf32>\n    "
    text = scripted("").replace("%0 = math.exp", constant + "%0 = math.exp")
    assert "256" in refusal(text).message


def test_the_missing_attribute_is_hinted_at() -> None:
    text = scripted("").replace(" attributes {transform.with_named_sequence}", "")
    assert "module attributes" in refusal(text).hint
