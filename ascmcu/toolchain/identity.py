# SPDX-License-Identifier: Apache-2.0
"""The identity of a build: one hash over all that decides a firmware's bytes.

Sources and headers enter by their place below the export or the firmware's folder, never by this machine's paths, and
nothing of time enters: the same model, options and tools give the same identity everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

UNIDENTIFIED = "0" * 64


def digest(facts: Sequence[str], files: Iterable[tuple[str, Path]]) -> str:
    """The SHA-256 over facts in their order, and files by name and content, whose order says nothing.

    Args:
        facts: flags, versions, names.
        files: name without a place, and where the file lies.
    """
    whole = hashlib.sha256()
    contents = sorted({(name, hashlib.sha256(path.read_bytes()).hexdigest()) for name, path in files})
    for text in (*facts, *(part for pair in contents for part in pair)):
        raw = text.encode()
        whole.update(len(raw).to_bytes(8, "little") + raw)
    return whole.hexdigest()


def place(path: Path, roots: Sequence[tuple[str, Path]]) -> str:
    """The file's name below the first root that holds it, else with its folder alone."""
    for name, root in roots:
        if path.is_relative_to(root):
            return f"{name}/{path.relative_to(root).as_posix()}"
    return f"{path.parent.name}/{path.name}"
