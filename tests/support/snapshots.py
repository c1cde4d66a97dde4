# SPDX-License-Identifier: Apache-2.0
"""Texts that were read once and are compared ever after: ``snapshots/<name>.txt`` beside the test."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Takes a name and a text.
Snapshot = Callable[[str, str], None]


@dataclass(frozen=True)
class Snapshots:
    """Those of one folder of tests; with ``update`` they are written anew. ``here`` is left out of the texts."""

    folder: Path
    here: Path
    update: bool

    def __call__(self, name: str, text: str) -> None:
        """Compare a text.

        Raises:
            AssertionError: it is another one, or there is none yet.
        """
        text = text.replace(str(self.here), "HERE").replace(str(self.here.resolve()), "HERE")
        text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
        path = self.folder / f"{name}.txt"
        command = f"tools/test {self.folder.parent.name} --update-goldens"
        if self.update:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert path.is_file(), f"no snapshot of {name}: run {command}"
        assert text == path.read_text(), f"{command} writes it anew"
