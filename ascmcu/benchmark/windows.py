# SPDX-License-Identifier: Apache-2.0
"""What a network that listens should say: of every window what its network of clips says of that clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from ascmcu.listening.window import Listening


class Windows:
    """The scores of window after window, each computed anew by the integer interpreter.

    Args:
        graph: of the clip, as it was imported.
        listening: window and hop.
    """

    def __init__(self, graph: Graph, listening: Listening) -> None:
        self._graph = graph
        self._listening = listening
        self._rows: list[Array] = []

    def reset(self) -> None:
        """The recording begins."""
        self._rows = []

    def __call__(self, inputs: Sequence[Array]) -> list[Array] | None:
        """The outputs of the window that a hop's rows end; None before a window is full.

        Args:
            inputs: the rows, time first behind a batch of one, in the one input's dtype.
        """
        (hop,) = inputs
        self._rows += list(hop.reshape(self._listening.hop_rows, -1))
        self._rows = self._rows[-self._listening.window_rows :]
        if len(self._rows) < self._listening.window_rows:
            return None
        x = self._graph.tensors[self._graph.inputs[0]]
        return interp.run(self._graph, [np.stack(self._rows).reshape(x.shape)])
