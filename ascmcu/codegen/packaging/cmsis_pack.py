# SPDX-License-Identifier: Apache-2.0
"""A CMSIS-Pack: its description (``.pdsc``) and its files; the export zips the same into a ``.pack``."""

from __future__ import annotations

from ascmcu.codegen.packaging.package import VERSION, Package

VENDOR = "ascmcu"


def description(package: Package) -> str:
    """The name of the pack's description."""
    return f"{VENDOR}.{package.name}.pdsc"


def archive(name: str) -> str:
    """The name of the zipped pack of a library."""
    return f"{VENDOR}.{name}.{VERSION}.pack"


def files(package: Package) -> dict[str, str]:
    """Texts by path."""
    return package.laid_out("src") | {
        description(package): package.rendered("cmsis-pack/package.pdsc", vendor=VENDOR),
        "example/main.c": package.example(),
    }
