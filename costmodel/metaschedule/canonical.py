"""TVMScript in a normal form: names of values do not count, those of blocks do.

The structural hash of TVM depends on the environment, and leaves out the names of blocks, by which
traces refer to them. So a program's identity is its text, with every name that the text binds
replaced by a number. The text is taken apart as Python and never run.
"""

from __future__ import annotations

import ast

__all__ = ["canonical_text"]


def canonical_text(script: str) -> str:
    """The text with its own names numbered in the order in which they come."""
    tree = ast.parse(script)
    names = _Bound()
    names.visit(tree)
    return ast.unparse(_Renamed(names.numbers).visit(tree))


class _Bound(ast.NodeVisitor):
    """Collects names that are arguments, assigned to, or loop over something."""

    def __init__(self) -> None:
        self.numbers: dict[str, str] = {}

    def _bind(self, name: str) -> None:
        self.numbers.setdefault(name, f"v{len(self.numbers)}")

    def visit_arg(self, node: ast.arg) -> None:
        self._bind(node.arg)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._bind(node.id)


class _Renamed(ast.NodeTransformer):
    def __init__(self, numbers: dict[str, str]) -> None:
        self._numbers = numbers

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._numbers[node.arg]
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._numbers.get(node.id, node.id)
        return node
