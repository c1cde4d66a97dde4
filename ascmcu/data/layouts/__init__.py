# SPDX-License-Identifier: Apache-2.0
"""The layouts of data sets, as their makers published them: one file each.

A layout has a ``NAME``, ``is_here(root)`` (a look at names, nothing is read) and ``read(root, columns)``. The first
that is here is taken; folders of classes are the last.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from ascmcu.data.layouts import (
    audiofolder,
    audiomnist,
    audioset,
    class_folders,
    edge_impulse,
    fsd50k,
    machines,
    speech_commands,
    table,
    tau,
    urbansound8k,
)
from ascmcu.data.listing import Columns, Listing

ORDER: tuple[ModuleType, ...] = (
    tau,
    urbansound8k,
    speech_commands,
    fsd50k,
    audioset,
    table,
    audiofolder,
    edge_impulse,
    audiomnist,
    machines,
    class_folders,
)


def read(source: Path, columns: Columns) -> Listing:
    """What a data set's folder, or a table, lists; no audio is opened.

    Raises:
        DataError: a list that cannot be read, or folders whose classes cannot be told.
    """
    if source.is_file():
        return table.read_file(source, columns)
    layout = next(layout for layout in ORDER if layout.is_here(source))
    listing: Listing = layout.read(source, columns)
    return listing
