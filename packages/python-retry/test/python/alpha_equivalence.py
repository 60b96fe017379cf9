"""Tells whether two Python texts are the same program but for names that nobody outside can name."""

# ruff: noqa: N802 (the methods are named for the nodes that they visit)
from __future__ import annotations

import ast


class Pairing:
    """Names of one text with those of the other, each with one only."""

    def __init__(self):
        self.forth = {}
        self.back = {}

    def pair(self, one, other):
        """Return whether the two may stand for each other, here and everywhere else."""
        return (
            self.forth.setdefault(one, other) == other and self.back.setdefault(other, one) == one
        )


class Comparison:
    """Walks both trees side by side."""

    def __init__(self):
        self.differences = []
        self.module = Pairing()  # of globals
        self.members = Pairing()
        self.locals = None  # of all names in the outermost function
        self.bound = frozenset()
        self.in_private_class = False

    def differ(self, what, one, other):
        self.differences.append(f"line {getattr(one, 'lineno', '?')}: {what}: {one!r} {other!r}")

    def names(self, one, other, *, is_local=False):
        if one is None or other is None:
            if one is not other:
                self.differ("a name", one, other)
            return
        if one != other and not is_local and not other.startswith("_"):
            self.differ("a public name", one, other)
        if self.locals is not None and not self.locals.pair(one, other):
            self.differ("two variables have become one", one, other)
        if not is_local and not self.module.pair(one, other):
            self.differ("two private names have become one", one, other)

    def attributes(self, one, other):
        if one != other and not other.startswith("_"):
            self.differ("a public attribute", one, other)
        if not self.members.pair(one, other):
            self.differ("two attributes have become one", one, other)

    def walk(self, one, other):
        if type(one) is not type(other):
            self.differ("a node", one, other)
        elif isinstance(one, list):
            if len(one) != len(other):
                self.differ("a length", one, other)
            for pair in zip(one, other):  # noqa: B905
                self.walk(*pair)
        elif isinstance(one, ast.AST):
            visit = getattr(self, f"visit_{type(one).__name__}", self.generic)
            visit(one, other)
        elif one != other:
            self.differ("a value", one, other)

    def generic(self, one, other, *, but=()):
        for field in one._fields:
            if field not in but:
                self.walk(getattr(one, field, None), getattr(other, field, None))

    def visit_Name(self, one, other):
        self.names(one.id, other.id, is_local=one.id in self.bound)

    def visit_ExceptHandler(self, one, other):
        self.names(one.name, other.name, is_local=one.name in self.bound)
        self.generic(one, other, but=("name",))

    def visit_arg(self, one, other):
        self.names(one.arg, other.arg, is_local=True)

    def visit_Attribute(self, one, other):
        self.attributes(one.attr, other.attr)
        self.walk(one.value, other.value)

    def visit_keyword(self, one, other):
        if one.arg != other.arg:
            if not (other.arg or "").startswith("_"):
                self.differ("the name of an argument", one.arg, other.arg)
            # It names a field, so it goes by the same name as the attribute.
            self.attributes(one.arg, other.arg)
        self.walk(one.value, other.value)

    def visit_ClassDef(self, one, other):
        self.names(one.name, other.name)
        self.in_private_class = one.name.startswith("_")
        self.generic(one, other, but=("name",))
        self.in_private_class = False

    def visit_FunctionDef(self, one, other):
        special = one.name.startswith("__")
        private = self.in_private_class or (one.name.startswith("_") and not special)
        if not private:
            signatures = [public_parameters(node.args) for node in (one, other)]
            if signatures[0] != signatures[1]:
                self.differ("parameters", *signatures)
        self.walk(one.decorator_list, other.decorator_list)
        outermost = self.locals is None
        if outermost:
            self.attributes(one.name, other.name)
            self.locals, self.bound = Pairing(), locally_bound(one)
        elif one.name != other.name:
            self.differ("the name of a function", one.name, other.name)
        self.generic(one, other, but=("name", "decorator_list"))
        if outermost:
            self.locals, self.bound = None, frozenset()

    def visit_AsyncFunctionDef(self, one, other):
        self.visit_FunctionDef(one, other)


def public_parameters(arguments):
    """Return the names by which callers may pass arguments."""
    every = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return every[1:] if every and every[0] in {"self", *RECEIVERS} else every


RECEIVERS = frozenset("abcdefghijklmnopqstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def locally_bound(function):
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found


class _Apart(ast.NodeTransformer):
    """Imports of one name each, and `return` for `return None`."""

    def visit_Return(self, node):
        """Leave a None out."""
        is_none = isinstance(node.value, ast.Constant) and node.value.value is None
        return ast.Return() if is_none else node

    def visit_Import(self, node):
        """Split one."""
        return [ast.Import([one]) for one in node.names]


def compare(one, other):
    """Return what is different in the texts, or nothing."""
    comparison = Comparison()
    comparison.walk(*(_Apart().visit(ast.parse(text)) for text in (one, other)))
    return comparison.differences


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps([compare(*pair) for pair in json.load(sys.stdin)]))
