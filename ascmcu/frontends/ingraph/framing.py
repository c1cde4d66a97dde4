# SPDX-License-Identifier: Apache-2.0
"""How a graph cuts its input into frames and windows, found by running it on signals that tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.errors import AscmcuError
from ascmcu.features import windows
from ascmcu.frontends.ingraph import floats
from ascmcu.frontends.ingraph.operators import Operator, Subgraph

_Real = npt.NDArray[np.float64]
# Names that a window is looked for under; what converters write is single precision.
_WINDOWS = (
    "hann", "hamming", "boxcar", "povey", "blackman", "blackmanharris", "nuttall", "bartlett", "triang", "cosine",
    "bohman", "flattop", "parzen",
)  # fmt: skip
_WINDOW_ERROR_MAX = 2e-6
# Layers compute the phases of their kernels in single precision, which leaves errors of 1e-3 in the high bins.
_KERNEL_ERROR_MAX = 0.05


@dataclass(frozen=True)
class Framing:
    """Frames as the transform gets them.

    Attributes:
        samples: of the input.
        n_fft, frames, hop: points of the transform, how many there are, samples from one to the next.
        first: the sample that the transform's first point of frame 0 stands on; negative where the clip is padded.
        window: the weights over the points that are not all zero, ``begin`` the first of these.
        mirrored: whether what lies before the clip is its mirror image (else zeros).
        name, symmetric: the window's, empty where none of that name is equal.
        unit: the factor on the samples beside the window.
    """

    samples: int
    n_fft: int
    frames: int
    hop: int
    first: int
    begin: int
    window: _Real
    mirrored: bool
    name: str
    symmetric: bool
    unit: float

    @property
    def centered(self) -> bool:
        """Whether frame t lies around sample t × hop."""
        return self.first < 0

    @property
    def words(self) -> str:
        """For messages."""
        kind = (f"symmetric {self.name}" if self.symmetric else self.name) or "unknown"
        ends = f", centred, {'mirrored' if self.mirrored else 'zeros'} at the ends" if self.centered else ""
        return (
            f"{self.frames} frames of {len(self.window)} samples every {self.hop}, {kind} window, "
            f"FFT of {self.n_fft}{ends}"
        )


def of_transform(graph: Subgraph, audio: int, op: Operator) -> Framing | None:
    """The framing before an RFFT2D; ``None`` where it is none.

    Raises:
        NotRunError: an operator on the way is not run.
    """
    lengths = graph.constants.get(op.inputs[1])
    if lengths is None:
        return None
    n_fft = int(lengths.reshape(-1)[-1])
    shape = graph.shapes[audio]
    samples = int(np.prod(shape))

    def frames_of(x: _Real) -> _Real:
        made = floats.run(graph, {audio: x.reshape(shape)}, op.inputs[0])
        made = made.reshape(-1, made.shape[-1])
        return np.pad(made, ((0, 0), (0, max(0, n_fft - made.shape[1]))))[:, :n_fft]

    return _read(frames_of, samples, n_fft)


def of_convolution(graph: Subgraph, audio: int, op: Operator) -> Framing | None:
    """The framing of a convolution whose kernels are the cosines or sines of a transform; ``None`` where it is none."""
    kernels = graph.constants.get(op.inputs[1])
    samples = int(np.prod(graph.shapes[audio]))
    if kernels is None or kernels.ndim != 4 or kernels.shape[1] != 1 or kernels.shape[3] != 1:
        return None
    basis = kernels[:, 0, :, 0].astype(np.float64)
    bins, length = basis.shape
    n_fft = 2 * (bins - 1)
    if n_fft < length or samples < length or graph.shapes[op.inputs[0]][-2] != samples:
        return None
    hop = int(op.options.StrideW())
    frames = graph.shapes[op.outputs[0]][-2]
    turns = np.outer(np.arange(bins), np.arange(length)) * (2 * np.pi / n_fft)
    for wave in (np.cos(turns), np.sin(turns)):
        # Cosines of bin 0 are the window itself; sines do not tell its weight where they are all zero.
        fitted = (basis * wave).sum(axis=0) / np.maximum((wave * wave).sum(axis=0), 1e-9)
        window = np.abs(basis[0] if basis[0].any() else fitted)
        error = min(np.abs(basis - sign * window * wave).max() for sign in (1, -1))
        if error < _KERNEL_ERROR_MAX * window.max():
            name, symmetric, unit = named(window)
            return Framing(samples, n_fft, frames, hop, 0, 0, window, False, name, symmetric, unit)
    return None


def _read(frames_of: Callable[[_Real], _Real], samples: int, n_fft: int) -> Framing | None:
    """From the frames of ones, of a ramp, and of a single 1 at sample 1."""
    ones = frames_of(np.ones(samples))
    middle = ones[len(ones) // 2]
    heard = np.flatnonzero(np.abs(middle) > 1e-9)
    if not len(heard):
        return None
    ramp = frames_of(np.arange(samples, dtype=np.float64))
    loud = int(np.argmax(np.abs(middle)))
    at = np.rint(ramp[:, loud] / middle[loud]).astype(np.int64)
    hops = np.diff(at[1:-1]) if len(at) > 3 else np.diff(at)
    if len(hops) == 0 or hops.min() != hops.max() or hops[0] <= 0:
        return None
    inner = len(at) // 2
    first = int(at[inner] - inner * hops[0] - loud)
    begin = int(heard[0])
    window = middle[begin : int(heard[-1]) + 1]
    if begin and first >= 0:
        # A periodic window's first weight may be zero.
        begin, window = begin - 1, np.concatenate([[0.0], window])
    impulse = np.zeros(samples)
    impulse[1] = 1.0
    mirrored = first < 0 and -first - 1 < n_fft and abs(frames_of(impulse)[0, -first - 1]) > 1e-9
    name, symmetric, begin, window, unit = _placed(middle, begin, window, n_fft)
    return Framing(
        samples, n_fft, len(ones), int(hops[0]), first, begin, window, mirrored, name, symmetric, unit
    )


def _placed(middle: _Real, begin: int, window: _Real, n_fft: int) -> tuple[str, bool, int, _Real, float]:
    """The window with the zeros at its ends that belong to it: those with which it has a name."""
    last = begin + len(window)
    for low, high in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (1, 2)):
        low, high = begin - low, last + high
        if low >= 0 and high <= n_fft:
            name, symmetric, unit = named(middle[low:high])
            if name:
                return name, symmetric, low, middle[low:high], unit
    return "", False, begin, window, 1.0


def named(window: _Real) -> tuple[str, bool, float]:
    """(name, whether it is symmetric, factor) of the window that is equal; an empty name where none is."""
    for name in _WINDOWS:
        for symmetric in (False, True):
            try:
                known = windows.values(name, len(window), symmetric)
            except AscmcuError:
                continue
            unit = float(window @ known / (known @ known))
            if np.abs(window - unit * known).max() <= _WINDOW_ERROR_MAX * abs(unit):
                return name, symmetric, unit
    return "", False, 1.0
