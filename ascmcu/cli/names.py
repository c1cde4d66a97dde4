# SPDX-License-Identifier: Apache-2.0
"""Shell completion of names: boards, recipes, runners and so on."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def of(module: str, *, or_file: bool = False) -> Offer:
    """Completes with ``module.names()``, imported only when a shell asks."""

    def offer(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
        found = [CompletionItem(n) for n in importlib.import_module(module).names() if n.startswith(typed)]
        return found or ([CompletionItem(typed, type="file")] if or_file else [])

    return offer


BOARDS = of("ascmcu.boards", or_file=True)
FEATURES = of("ascmcu.features.spec", or_file=True)
FLASH_TOOLS = of("ascmcu.flash.base")
RECIPES = of("ascmcu.train.recipe", or_file=True)
RUNNERS = of("ascmcu.runners.base")
