# SPDX-License-Identifier: Apache-2.0
"""What the kernels of LSTM layers share: the order of the gates."""

from __future__ import annotations

_NAMES = ("input", "forget", "update", "output")
# It sees no cell state, so it has no peephole.
_BLIND = "update"


def gate_places(gates: int, peepholes: bool) -> tuple[tuple[str, int | None], ...]:
    """Names of ``gates`` gates (three have no input gate), each with its place among the peepholes or None."""
    names = _NAMES[len(_NAMES) - gates :]
    seeing = [name for name in names if name != _BLIND] if peepholes else []
    return tuple((name, seeing.index(name) if name in seeing else None) for name in names)
