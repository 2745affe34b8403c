"""What counts of a file's code: its syntax tree without docstrings, comments and layout."""

from __future__ import annotations

import ast
from functools import lru_cache


def tree(source: str | bytes, file: str = "<unknown>") -> ast.Module:
    """The syntax tree of `source` without its docstrings."""
    whole = ast.parse(source, filename=file)
    for node in ast.walk(whole):
        body = getattr(node, "body", None)
        if isinstance(body, list) and _is_docstring(body, node):
            node.body = body[1:] or [ast.Pass()]
    return whole


@lru_cache(maxsize=64)
def nodes(source: str) -> list[ast.AST]:
    """All nodes of the tree; the place of one in this list is the same in every layout."""
    return list(ast.walk(tree(source)))


def _is_docstring(body: list[ast.stmt], node: ast.AST) -> bool:
    return (
        isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and bool(body)
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    )
