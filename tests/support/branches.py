# SPDX-License-Identifier: Apache-2.0
"""Which branches of the templates a rendering took: every condition, and whether it was true and false."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jinja2
from jinja2 import nodes

from ascmcu import jinja


@dataclass(frozen=True, order=True)
class Branch:
    """One way out of the ``number``-th condition of a line of a template."""

    template: str
    line: int
    number: int
    way: bool

    def __str__(self) -> str:
        return f"{self.template}:{self.line}, condition {self.number + 1}: {str(self.way).lower()}"


class _Recording(jinja2.Environment):
    """Compiles every condition into a call that notes its outcome in ``taken``; ``known`` holds what could be noted."""

    taken: set[Branch]
    known: set[Branch]

    def note(self, template: str, line: int, number: int, value: object) -> object:
        """Called by the compiled templates."""
        self.taken.add(Branch(template, line, number, bool(value)))
        return value

    def _generate(self, source: nodes.Template, name: str | None, *rest: Any, **more: Any) -> str:
        counts: dict[int, int] = {}
        for node in list(source.find_all((nodes.If, nodes.CondExpr))):
            number = counts[node.lineno] = counts.get(node.lineno, -1) + 1
            where = [nodes.Const(part, lineno=node.lineno) for part in (name, node.lineno, number)]
            call = nodes.EnvironmentAttribute("note", lineno=node.lineno)
            node.test = nodes.Call(call, [*where, node.test], [], None, None, lineno=node.lineno)
            self.known |= {Branch(str(name), node.lineno, number, way) for way in (False, True)}
        source.set_environment(self)
        return super()._generate(source, name, *rest, **more)


@contextlib.contextmanager
def recorded() -> Iterator[_Recording]:
    """The project's environment while it records; what a template cannot do is known once it was rendered."""
    environment: Any = jinja.environment()
    kept = environment.__class__, environment.bytecode_cache
    environment.__class__, environment.bytecode_cache = _Recording, None
    environment.taken, environment.known = set(), set()
    environment.cache.clear()
    try:
        yield environment
    finally:
        environment.__class__, environment.bytecode_cache = kept
        environment.cache.clear()
