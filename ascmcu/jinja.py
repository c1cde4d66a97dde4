# SPDX-License-Identifier: Apache-2.0
"""The Jinja environment of the project. Decisions are made in Python, templates only format."""

from __future__ import annotations

import functools
import os

import jinja2

from ascmcu import paths


def _bytecode_cache() -> jinja2.BytecodeCache | None:
    """Compiled templates in the user's cache: compiling them is half of a small export. None where it is unwritable."""
    folder = paths.cache() / "templates"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return jinja2.FileSystemBytecodeCache(str(folder)) if os.access(folder, os.W_OK) else None


@functools.cache
def environment() -> jinja2.Environment:
    """The environment over ``templates/``; an undefined name is an error, blocks leave no blank lines."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.templates()),
        bytecode_cache=_bytecode_cache(),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(template: str, **context: object) -> str:
    """Render ``templates/<template>``, which is named after the file it renders plus ``.j2``."""
    return environment().get_template(template).render(**context)
