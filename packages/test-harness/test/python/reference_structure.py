"""The structure of a Python text as the standard library's own parser sees it.

The reference that ``parsePython`` is compared with. Expressions become the dump of their tree with
whole floats as integers, because the normal form does not tell ``1.0`` from ``1``.
"""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path
from typing import Any


class _WholeFloats(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, float) and node.value.is_integer():
            return ast.Constant(int(node.value))
        return ast.Constant(node.value)


def dump(expression: ast.expr) -> str:
    """Describe an expression independent of its spelling."""
    return ast.dump(_WholeFloats().visit(expression))


def dump_text(text: str) -> str:
    """Describe the expression that a text holds."""
    # Parentheses: `*args: *Ts` has an annotation that is no expression by itself.
    parsed = ast.parse(f"({text},)", mode="eval").body
    assert isinstance(parsed, ast.Tuple)
    return dump(parsed.elts[0])


def _parameter(arg: ast.arg, kind: str, default: ast.expr | None = None) -> list[Any]:
    return [
        arg.arg,
        kind,
        default and dump(default),
        arg.annotation and dump(arg.annotation),
    ]


def _parameters(args: ast.arguments) -> list[list[Any]]:
    positional = [(arg, "positional-only") for arg in args.posonlyargs]
    positional += [(arg, "positional-or-keyword") for arg in args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + args.defaults
    found = [_parameter(*one, default) for one, default in zip(positional, defaults, strict=True)]
    if args.vararg:
        found.append(_parameter(args.vararg, "var-positional"))
    keyword_only = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    found += [_parameter(arg, "keyword-only", default) for arg, default in keyword_only]
    if args.kwarg:
        found.append(_parameter(args.kwarg, "var-keyword"))
    return found


class _Visitor(ast.NodeVisitor):
    def __init__(self) -> None:
        self.scope: list[str] = []
        self.found: dict[str, list[Any]] = {"classes": [], "functions": [], "imports": []}

    def _definition(self, node: Any) -> list[Any]:
        qualified = ".".join([*self.scope, node.name])
        docstring = ast.get_docstring(node)
        decorators = [dump(one) for one in node.decorator_list]
        return [qualified, node.lineno, decorators, docstring and docstring.rstrip()]

    def _nested(self, node: Any) -> None:
        self.scope.append(node.name)
        self.generic_visit(node)
        self.scope.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        keywords = {one.arg or "**": dump(one.value) for one in node.keywords}
        described = [*self._definition(node), [dump(one) for one in node.bases], keywords]
        self.found["classes"].append(described)
        self._nested(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node, is_async=False)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node, is_async=True)

    def _function(self, node: Any, *, is_async: bool) -> None:
        returns = node.returns and dump(node.returns)
        described = [*self._definition(node), is_async, _parameters(node.args), returns]
        self.found["functions"].append(described)
        self._nested(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found["imports"] += [[one.name, node.lineno, one.asname] for one in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        names = [[one.name, one.asname] for one in node.names]
        module = "." * node.level + (node.module or "")
        self.found["imports"].append([module, node.lineno, None, names])


def structure(source: str) -> dict[str, list[Any]]:
    """Collect classes, functions and imports at any depth."""
    visitor = _Visitor()
    visitor.visit(ast.parse(source))
    return visitor.found


def dump_texts(texts: list[str]) -> dict[str, str]:
    """Describe many expressions at once."""
    return {text: dump_text(text) for text in texts}


def compiles(sources: list[str]) -> list[str | None]:
    """Give for each text the compiler's error, or None."""
    errors: list[str | None] = []
    for source in sources:
        try:
            compile(source, "<text>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            errors.append(str(error))
        else:
            errors.append(None)
    return errors


def standard_library(names: list[str]) -> list[list[str]]:
    """Read modules of the standard library: pairs of name and text."""
    root = Path(sysconfig.get_paths()["stdlib"])
    return [[name, (root / name).read_text("utf-8")] for name in names]
