# SPDX-License-Identifier: Apache-2.0
"""The edits: small changes of a source text that a reader could overlook, in Python and in C.

An edit replaces some bytes of a line. What only a reader sees is left alone: docstrings, comments, annotations, texts,
and what an error says.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Edit:
    """``before`` becomes ``after`` at byte ``start`` of the file ``path``; ``text`` is the line it begins in."""

    path: str
    start: int
    before: str
    after: str
    line: int
    text: str

    def apply(self, source: bytes) -> bytes:
        """The edited file.

        Raises:
            ValueError: the file has changed since the edit was found.
        """
        old = self.before.encode()
        if source[self.start : self.start + len(old)] != old:
            raise ValueError(f"{self.path}:{self.line} no longer reads {self.before!r}")
        return source[: self.start] + self.after.encode() + source[self.start + len(old) :]


def of(path: str, source: bytes) -> list[Edit]:
    """All edits of one file, by its name's ending, in the order of their places."""
    made = python(path, source) if PurePath(path).suffix == ".py" else c(path, source)
    return sorted(set(made), key=lambda e: (e.start, e.before, e.after))


# --------------------------------------------------------------- Python

_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"), ast.LShift: ("<<", ">>"), ast.RShift: (">>", "<<"), ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"), ast.BitXor: ("^", "&"), ast.Pow: ("**", "*"),
}  # fmt: skip
# Methods that write a comment into generated code.
_COMMENTS = ("note",)
_FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}
# A name in such a condition decides on its own: the condition is turned round as a whole.
_PLAIN = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)


class _Python(ast.NodeVisitor):
    def __init__(self, path: str, source: bytes) -> None:
        self.path = path
        self.found: list[Edit] = []
        self._source = source
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._tokens = list(self._located(source))

    def _located(self, source: bytes) -> Iterator[tuple[int, int, str]]:
        for token in tokenize.tokenize(io.BytesIO(source).readline):
            if token.type in (tokenize.OP, tokenize.NAME):
                start, end = (
                    self._starts[row - 1] + len(self._lines[row - 1].decode()[:column].encode())
                    for row, column in (token.start, token.end)
                )
                yield start, end, token.string

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _add(self, start: int, end: int, after: str) -> None:
        line = next(n for n, begin in enumerate(self._starts) if begin > start)
        before = self._source[start:end].decode()
        text = self._lines[line - 1].decode().strip()
        self.found.append(Edit(self.path, start, before, after, line, text))

    def _operator(self, left: ast.expr, right: ast.expr, before: str, after: str) -> None:
        """The operator between two operands."""
        words = before.split()
        begin, limit = self._end(left), self._start(right)
        between = [t for t in self._tokens if begin <= t[0] and t[1] <= limit]
        for number, (start, _, text) in enumerate(between):
            if text == words[0]:
                self._add(start, between[number + len(words) - 1][1], after)
                return

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for left, op, right in zip(operands, node.ops, operands[1:], strict=False):
            self._operator(left, right, *_COMPARISONS[type(op)])
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in _ARITHMETIC and not isinstance(node.left, ast.JoinedStr):
            self._operator(node.left, node.right, *_ARITHMETIC[type(node.op)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._operator(left, right, *words)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, (ast.Not, ast.USub, ast.Invert)):
            self._add(self._start(node), self._start(node.operand), "")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._add(self._start(node), self._end(node), str(not value))
        elif isinstance(value, int):
            self._add(self._start(node), self._end(node), str(value + 1))
        elif isinstance(value, float):
            self._add(self._start(node), self._end(node), repr(value + 1))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        before, after = _ARITHMETIC.get(type(node.op), ("", ""))
        if before:
            self._operator(node.target, node.value, f"{before}=", f"{after}=")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            if isinstance(node.value.func, ast.Attribute) and node.value.func.attr in _COMMENTS:
                return
            self._add(self._start(node), self._end(node), "pass")
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._add(self._start(node), self._end(node), "pass")  # and nothing of what it says

    def visit_Continue(self, node: ast.Continue) -> None:
        self._add(self._start(node), self._end(node), "pass")

    def visit_If(self, node: ast.If) -> None:
        self._turned(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._turned(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._turned(test)
        self.generic_visit(node)

    def _turned(self, test: ast.expr) -> None:
        if isinstance(test, _PLAIN) and "TYPE_CHECKING" not in ast.unparse(test):
            start, end = self._start(test), self._end(test)
            self._add(start, end, f"(not {self._source[start:end].decode()})")

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name.endswith("Error"):
            return
        if name in _FUNCTIONS:
            self._add(self._start(node.func), self._end(node.func), _FUNCTIONS[name])
        self.visit(node.func)
        reshapes = isinstance(node.func, ast.Attribute) and node.func.attr == "reshape"
        for argument in node.args:
            if reshapes and isinstance(argument, ast.UnaryOp) and isinstance(argument.op, ast.USub):
                # NumPy takes any negative number for the extent that is left.
                self._add(self._start(argument), self._start(argument.operand), "")
            else:
                self.visit(argument)
        for keyword in node.keywords:
            if (name, keyword.arg) != ("zip", "strict"):  # an assertion
                self.visit(keyword)

    def visit_Assert(self, node: ast.Assert) -> None:
        """For type checkers and for us; without effect on what is right."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Texts are held by snapshots; Python tells no places inside them."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)


def python(path: str, source: bytes) -> list[Edit]:
    """The edits of a Python file, each of which still parses."""
    visitor = _Python(path, source)
    visitor.visit(ast.parse(source))
    return [edit for edit in visitor.found if _parses(edit.apply(source))]


def _parses(source: bytes) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


# --------------------------------------------------------------- C

# What is no code for the machine: comments, texts, the preprocessor's lines, what Jinja fills in, assertions for
# the compiler, attributes, and what stands between parentheses of a cast or a type.
_NO_CODE = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:\\\n|[^\n])*|\{\{.*?\}\}|\{%.*?%\}"
    r"|\{#.*?#\}|_Static_assert\s*\([^;]*;|__attribute__\s*\(\([^)]*\)\)|\boperator\b|->|\+\+|--",
    re.DOTALL | re.MULTILINE,
)
_NUMBER = re.compile(r"(?<![\w.])(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)(?![\w.])")
_BINARY: Sequence[tuple[str, Callable[[re.Match[str]], str]]] = (
    (r" (<=|>=|==|!=) ", lambda m: {"<=": "<", ">=": ">", "==": "!=", "!=": "=="}[m[1]]),
    (r" (<|>) ", lambda m: {"<": "<=", ">": ">="}[m[1]]),
    (r" (\+=|-=) ", lambda m: {"+=": "-=", "-=": "+="}[m[1]]),
    (r" (\+|-) ", lambda m: {"+": "-", "-": "+"}[m[1]]),
    (r" (&&|\|\|) ", lambda m: {"&&": "||", "||": "&&"}[m[1]]),
    (r" (<<|>>) ", lambda m: {"<<": ">>", ">>": "<<"}[m[1]]),
    (r" (&) ", lambda m: "|"),
    (r" (\|) ", lambda m: "&"),
    (r"(?<=[(\s])(!)(?=[\w(])", lambda m: ""),
)


def c(path: str, source: bytes) -> list[Edit]:
    """The edits of a C file, or of a template of one: numbers, comparisons, sums, logic, and calls left out."""
    text = source.decode()
    hidden = _NO_CODE.sub(lambda m: re.sub(r"[^\n]", "\0", m[0]), text)
    found = []

    def add(start: int, end: int, after: str) -> None:
        line = text.count("\n", 0, start) + 1
        whole = text.splitlines()[line - 1].strip()
        at = len(text[:start].encode())
        found.append(Edit(path, at, text[start:end], after, line, whole))

    for match in _NUMBER.finditer(hidden):
        add(match.start(1), match.end(1), str(int(match[1], 0) + 1))
    for pattern, after in _BINARY:
        for match in re.finditer(pattern, hidden):
            add(match.start(1), match.end(1), after(match))
    for match in re.finditer(r"^[ \t]+([a-z]\w*\([^;{}\0]*\));$", hidden, re.MULTILINE):
        add(match.start(1), match.end(1), "(void)0")
    return found
