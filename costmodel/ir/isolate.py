"""Taking one function out of a module."""

from __future__ import annotations

from iree.compiler import ir

from costmodel.errors import UnsupportedError, UsageError
from costmodel.ir import checks, parse, walk
from costmodel.records import SourceLocation

__all__ = ["choose", "is_private", "isolate"]

_FUNCTION_ATTRIBUTES = frozenset({"function_type", "sym_name"})
_GLOBAL_ATTRIBUTES = frozenset({"type", "sym_name", "initial_value", "constant", "alignment"})


def choose(module: ir.Module, name: str | None) -> ir.OpView:
    """The function called ``name``, or the only one, or only public one, that the module defines.

    Raises UsageError where there is a choice or no such function, UnsupportedError where there
    is no function at all.
    """
    functions = [op for op in walk.operations(module.operation) if op.operation.name == "func.func"]
    defined = [op for op in functions if op.regions[0].blocks]
    names = ", ".join(op.name.value for op in defined)
    if name is not None:
        chosen = [op for op in defined if op.name.value == name]
        if not chosen:
            has = f"it defines {names}" if names else "it defines no function"
            raise UsageError(f"there is no function {name!r} in the file: {has}")
        return chosen[0]
    public = [op for op in defined if not is_private(op)]
    if len(defined) > 1 and len(public) == 1:
        return public[0]  # exporters put helpers beside the one that is called
    if len(defined) > 1:
        raise UsageError(
            f"there are {len(defined)} functions, {names}",
            location=parse.place(defined[1].location),
            hint="choose one with --function",
        )
    if not defined:
        raise _nothing(module, functions)
    return defined[0]


def is_private(function: ir.OpView) -> bool:
    """Whether nobody outside of the module may call a function."""
    name = "sym_visibility"
    attributes = function.attributes
    return name in attributes and ir.StringAttr(attributes[name]).value == "private"


def _nothing(module: ir.Module, declared: list[ir.OpView]) -> UnsupportedError:
    start = SourceLocation("", 1, 1)
    hint = "write the computation as a func.func on tensors"
    if declared:
        location = parse.place(declared[0].location)
        message = f"the function {declared[0].name.value} has no body"
    elif len(module.body.operations):
        location = parse.place(module.body.operations[0].location)
        message = "there is no func.func in the module"
    else:
        location, message = parse.place(module.operation.location), "the module is empty"
    known = location is not None and location.line > 0
    return UnsupportedError(message, location=location if known else start, hint=hint)


def isolate(module: ir.Module, function: ir.OpView) -> ir.Module:
    """A new module of the function, called ``main``, and of the globals that it reads."""
    with module.context, ir.Location.unknown():
        isolated = ir.Module.create()
        with ir.InsertionPoint(isolated.body):
            main = function.operation.clone()
            _clone_globals(module, main)
        main.attributes["sym_name"] = ir.StringAttr.get("main")
    _keep_attributes(main, _FUNCTION_ATTRIBUTES)
    return isolated


def _clone_globals(module: ir.Module, main: ir.Operation) -> None:
    globals_ = {
        op.operation.attributes["sym_name"].value: op
        for op in module.body.operations
        if op.operation.name == "memref.global"
    }
    renamed: dict[str, str] = {}
    for op in walk.operations(main):
        if op.operation.name != "memref.get_global":
            continue
        old = op.operation.attributes["name"].value
        if old not in renamed:
            renamed[old] = f"constant{len(renamed)}"
            clone = globals_[old].operation.clone()
            clone.attributes["sym_name"] = ir.StringAttr.get(renamed[old])
            _keep_attributes(clone, _GLOBAL_ATTRIBUTES)
            checks.check_constant(clone)
        op.operation.attributes["name"] = ir.FlatSymbolRefAttr.get(renamed[old])


def _keep_attributes(op: ir.Operation, names: frozenset[str]) -> None:
    for name in [name for name in op.attributes if name not in names]:
        del op.attributes[name]
