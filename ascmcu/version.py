# SPDX-License-Identifier: Apache-2.0
"""The commit of the sources, which results are stored with."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from ascmcu import __version__

_PACKAGE = Path(__file__).resolve().parent


@functools.cache
def commit() -> str:
    """The commit of the checkout that this package runs from, ``+`` for local changes; empty in a wheel.

    A wheel is named by its version. The package may also lie below a checkout of something else (a virtual
    environment in a user's repository): only a checkout that tracks this very file counts.
    """
    git = ["git", "-C", str(_PACKAGE)]
    describe = [*git, "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        subprocess.run(
            [*git, "ls-files", "--error-unmatch", Path(__file__).name], capture_output=True, check=True
        )
        return subprocess.run(
            describe, capture_output=True, encoding="utf-8", errors="replace", check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def tool() -> str:
    """ascmcu's version, and its commit where it runs from a checkout."""
    return f"ascmcu {__version__} ({commit()})" if commit() else f"ascmcu {__version__}"
