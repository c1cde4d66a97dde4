# SPDX-License-Identifier: Apache-2.0
"""From a .tflite to a page of figures, without the command line and without a board.

usage: python examples/kws.py MODEL.tflite [FOLDER]

Compiles the model for a NUCLEO-F446RE, sends five random inputs through the firmware on the cycle model, compares
the answers with those of the same C on this machine, bit for bit, and writes FOLDER/report.html.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import ascmcu
from ascmcu.errors import AscmcuError


def drawn(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Random values of the network's input: all of an integer type, or a normal distribution."""
    draw = np.random.default_rng(1)
    if not np.issubdtype(dtype, np.integer):
        return draw.normal(0.0, 1.0, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return draw.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def main(model: Path, folder: Path) -> int:
    """Exit status 1 when the two runs differ."""
    compiled = ascmcu.compile(model, features=False)
    built = ascmcu.build(compiled, "nucleo-f446", folder)
    inputs = folder / "inputs.npy"
    spec = built.manifest.inputs[0]
    np.save(inputs, drawn((5, *spec.shape), np.dtype(spec.dtype)))

    outputs = {}
    for runner in ("host", "sim"):
        to = folder / f"{runner}.npy"
        result = ascmcu.bench(folder, on=runner, tensors=inputs, save_outputs=to)
        outputs[runner] = np.load(to)
    same = np.array_equal(outputs["host"], outputs["sim"])

    assert result.counts is not None and result.seconds is not None
    print(
        f"{result.model}: {result.counts.network:,} cycles, {1e3 * result.seconds:.1f} ms on {result.board_title}"
    )
    for layer in sorted(result.layers, key=lambda x: -(x.count or 0))[:3]:
        print(f"  {layer.name}: {layer.count:,} cycles for {layer.macs:,} MACs")
    print("host and simulator agree bit for bit" if same else "host and simulator differ")
    print(ascmcu.report(folder / "bench-sim.json"))
    return 0 if same else 1


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) == 3 else "build")))
    except AscmcuError as error:
        sys.exit(f"error: {error}")
