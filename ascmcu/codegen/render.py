"""The one Jinja environment of the project: decisions are made in Python, templates give them shape."""

from __future__ import annotations

import functools

import jinja2

from ascmcu import paths


@functools.cache
def environment() -> jinja2.Environment:
    """The environment over ``templates/``; an undefined name is an error, blocks leave no blank lines."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.templates()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(template: str, **context: object) -> str:
    """Render ``templates/<template>``, which is named after the file it renders plus ``.j2``."""
    return environment().get_template(template).render(**context)
