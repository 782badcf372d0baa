"""Random programs and the many ways of writing one: the material of the property tests.

A program is a chain: each step combines the value before it with an input or a constant, so
that every step counts. A style is everything about the writing that must not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

OPS = ("addf", "subf", "mulf", "divf", "maximumf")
DTYPES = ("f32", "f64", "f16", "bf16")
#: Neither 0 nor 1, which MLIR folds away; exact in every element type.
CONSTANTS = (2.0, 3.0, -0.5, 8.0, 0.25)
MAPS = ("(d0, d1)", "(d1, d0)", "(d1)")


@dataclass(frozen=True)
class Step:
    """``previous op other`` (or swapped), for each element; ``other`` is read through ``map``."""

    op: str
    map: str
    constant: float | None
    swapped: bool


@dataclass(frozen=True)
class Program:
    rows: int
    columns: int
    dtype: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Style:
    function: str
    prefix: str
    aliases: bool
    swapped_attributes: bool
    extra_attributes: bool
    locations: bool
    comments: bool
    reversed_constants: bool
    private: bool
    indent: str
    used_init: bool


steps = st.builds(
    Step,
    op=st.sampled_from(OPS),
    map=st.sampled_from(MAPS),
    constant=st.none() | st.sampled_from(CONSTANTS),
    swapped=st.booleans(),
)
programs = st.builds(
    Program,
    rows=st.integers(2, 300),
    columns=st.integers(2, 300),
    dtype=st.sampled_from(DTYPES),
    steps=st.lists(steps, min_size=1, max_size=4).map(tuple),
)
identifiers = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_$]{0,8}", fullmatch=True)
styles = st.builds(
    Style,
    function=identifiers,
    prefix=identifiers,
    aliases=st.booleans(),
    swapped_attributes=st.booleans(),
    extra_attributes=st.booleans(),
    locations=st.booleans(),
    comments=st.booleans(),
    reversed_constants=st.booleans(),
    private=st.booleans(),
    indent=st.sampled_from([" ", "\t", "    ", "\n  "]),
    used_init=st.booleans(),
)
PLAIN = Style("f", "v", False, False, False, False, False, False, False, "  ", False)


def mutations(program: Program) -> st.SearchStrategy[Program]:
    """Programs that differ from ``program`` in one thing that matters."""

    def at(index: int) -> st.SearchStrategy[Program]:
        step = program.steps[index]
        changed = [
            st.sampled_from([op for op in OPS if op != step.op]).map(
                lambda op: replace(step, op=op)
            ),
            st.sampled_from([c for c in CONSTANTS if c != step.constant]).map(
                lambda c: replace(step, constant=c)
            ),
        ]
        if step.constant is None or step.op in ("subf", "divf"):
            # MLIR puts a constant last where the operation commutes: one form, one hash.
            changed.append(st.just(replace(step, swapped=not step.swapped)))
        if step.constant is None:
            others = [m for m in MAPS if m != step.map]
            changed.append(st.sampled_from(others).map(lambda m: replace(step, map=m)))
        return st.one_of(changed).map(
            lambda new: replace(
                program, steps=(*program.steps[:index], new, *program.steps[index + 1 :])
            )
        )

    return st.one_of(
        st.integers(0, len(program.steps) - 1).flatmap(at),
        st.just(replace(program, rows=program.rows + 1)),
        st.just(replace(program, columns=program.columns + 1)),
        st.sampled_from([d for d in DTYPES if d != program.dtype]).map(
            lambda d: replace(program, dtype=d)
        ),
        st.just(replace(program, steps=(*program.steps, program.steps[-1]))),
    )


def render(program: Program, style: Style = PLAIN) -> str:
    """MLIR text of a program."""
    return _Writer(program, style).text()


class _Writer:
    def __init__(self, program: Program, style: Style) -> None:
        self.program, self.style = program, style
        self.result = f"tensor<{program.rows}x{program.columns}x{program.dtype}>"

    def text(self) -> str:
        program, style = self.program, self.style
        kinds = {step.map for step in program.steps if step.constant is None}
        # Inputs come in a fixed order: the signature is part of the computation.
        inputs = [self.name("x"), *(self.name(f"in{MAPS.index(m)}") for m in sorted(kinds))]
        types = [self.result, *(self.input_type(m) for m in sorted(kinds))]
        extra = " {iree.note = 1 : i64}" if style.extra_attributes else ""
        arguments = ", ".join(f"{n}: {t}{extra}" for n, t in zip(inputs, types, strict=True))
        visibility = "private " if style.private else ""
        attributes = ' attributes {author = "me", my.tag}' if style.extra_attributes else ""
        lines = [
            f"func.func {visibility}@{style.function}({arguments}) -> {self.result}{attributes} {{",
            *self.constants(),
            f"{self.name('e')} = tensor.empty() : {self.result}{self.loc(3)}",
        ]
        for number in range(len(program.steps)):
            lines += self.step(number)
        last = self.name(f"s{len(program.steps) - 1}")
        lines += [f"func.return {last} : {self.result}", "}" + self.loc(9)]
        if style.comments:
            lines = [part for line in lines for part in ('// loc(a) { [ "', line + " // tail")]
        head = "".join(f"#{style.prefix}{n} = {self.map(m)}\n" for n, m in enumerate(MAPS))
        return (head if style.aliases else "") + ("\n" + style.indent).join(lines) + "\n"

    def constants(self) -> list[str]:
        lines = [
            f"{self.name(f'c{number}')} = arith.constant {step.constant:e} : {self.program.dtype}"
            + self.loc(number)
            for number, step in enumerate(self.program.steps)
            if step.constant is not None
        ]
        return lines[::-1] if self.style.reversed_constants else lines

    def step(self, number: int) -> list[str]:
        step, style, dtype = self.program.steps[number], self.style, self.program.dtype
        previous = self.name("x" if number == 0 else f"s{number - 1}")
        read = [(previous, MAPS[0], self.result)]
        if step.constant is None:
            other = self.name(f"in{MAPS.index(step.map)}")
            read.append((other, step.map, self.input_type(step.map)))
        maps = ", ".join(self.map_use(m) for m in [*(m for _, m, _ in read), MAPS[0]])
        named = [f"indexing_maps = [{maps}]", 'iterator_types = ["parallel", "parallel"]']
        if style.extra_attributes:
            named.insert(1, 'doc = "a step"')
        attributes = ", ".join(named[::-1] if style.swapped_attributes else named)
        left, right = self.name("l"), self.name("r")
        operands = [left, right if step.constant is None else self.name(f"c{number}")]
        if step.swapped:
            operands.reverse()
        init = previous if style.used_init else self.name("e")
        block = f"{left}: {dtype}, " + (f"{right}: {dtype}, " if step.constant is None else "")
        return [
            f"{self.name(f's{number}')} = linalg.generic {{{attributes}}}"
            f" ins({', '.join(n for n, _, _ in read)} : {', '.join(t for _, _, t in read)})"
            f" outs({init} : {self.result}) {{",
            f"^bb0({block}{self.name('o')}: {dtype}):",
            f"{self.name('y')} = arith.{step.op} {', '.join(operands)} : {dtype}{self.loc(4)}",
            f"linalg.yield {self.name('y')} : {dtype}",
            f"}} -> {self.result}{self.loc(number)}",
        ]

    def name(self, key: str) -> str:
        return f"%{self.style.prefix}_{key}"

    def map(self, results: str) -> str:
        return f"affine_map<(d0, d1) -> {results}>"

    def map_use(self, results: str) -> str:
        alias = f"#{self.style.prefix}{MAPS.index(results)}"
        return alias if self.style.aliases else self.map(results)

    def input_type(self, map_: str) -> str:
        rows, columns, dtype = self.program.rows, self.program.columns, self.program.dtype
        shape = {MAPS[0]: f"{rows}x{columns}", MAPS[1]: f"{columns}x{rows}", MAPS[2]: f"{columns}"}
        return f"tensor<{shape[map_]}x{dtype}>"

    def loc(self, line: int) -> str:
        return f' loc("model.py":{line + 1}:7)' if self.style.locations else ""
