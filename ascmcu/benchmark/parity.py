# SPDX-License-Identifier: Apache-2.0
"""Compare the generated front end with librosa: dB of the log-mel, and equal quantized inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.errors import DataError
from ascmcu.features import extract
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.pcm import Pcm
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.features.precision import above_floor, decibels, log_mel_spec
from ascmcu.features.spec import FeatureSpec
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.toolchain.native import NativeFrontend

ERROR_DB_MAX = 0.01
EQUAL_PERCENT_MIN = 99.9

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Quantization:
    """The network's input."""

    scale: float
    zero_point: int
    dtype: str = "int8"


@dataclass(frozen=True)
class Parity:
    """One front end against librosa over some clips.

    Attributes:
        clips: how many.
        error_db_max, error_db_rms: of the log-mel before normalization and deltas, over the values above the
            floor: the larger of the spec's own (``log_offset``, ``log_floor``) and that of single precision.
        values: log-mel values in all; ``values_above`` of them above the floor.
        error_db_max_anywhere: over all values.
        inputs: quantized values in all; ``equal_percent`` of them are those of librosa.
        worst_step: the largest difference of a quantized value.
    """

    clips: int
    values: int
    values_above: int
    error_db_max: float
    error_db_rms: float
    error_db_max_anywhere: float
    inputs: int
    equal_percent: float
    worst_step: int

    @property
    def holds(self) -> bool:
        """Whether both bounds are met."""
        return self.error_db_max <= ERROR_DB_MAX and self.equal_percent >= EQUAL_PERCENT_MIN


@dataclass(frozen=True)
class Equality:
    """An integer front end against its reference: how many of the network's ``inputs`` are ``equal``."""

    clips: int
    inputs: int
    equal: int

    @property
    def holds(self) -> bool:
        """Whether all are equal."""
        return self.equal == self.inputs


def check_integers(
    spec: MicroSpec | PcmSpec, clips: Sequence[Pcm], progress: Progress = lambda done: None
) -> Equality:
    """Run the generated C of a front end that computes with integers and its reference over the clips.

    Raises:
        DataError: no clips.
        ToolError, BuildError: the front end cannot be built for this machine.
    """
    if not clips:
        raise DataError("no clips to compare on")
    scale, zero_point = (1.0, -128) if isinstance(spec, MicroSpec) else (spec.input_scale, 0)
    device = NativeFrontend(spec, scale=scale, zero_point=zero_point, dtype="int8")
    equal = inputs = 0
    for done, pcm in enumerate(clips):
        progress(done)
        wanted = extract.inputs(pcm, spec, scale, zero_point, "int8")
        equal += int((device.rows(pcm) == wanted).sum())
        inputs += wanted.size
    progress(len(clips))
    return Equality(len(clips), inputs, equal)


def quantization_for(features: Iterable[npt.NDArray[np.float32]]) -> Quantization:
    """The int8 input that full-integer quantization would give a network fed with these.

    Raises:
        DataError: there are none.
    """
    limits = [(float(x.min()), float(x.max())) for x in features]
    if not limits:
        raise DataError("no clips to take the input's range from")
    low, high = min(0.0, *(x for x, _ in limits)), max(0.0, *(x for _, x in limits))
    scale = max(high - low, 1e-6) / 255
    return Quantization(scale, round(-128 - low / scale))


def check(
    spec: FeatureSpec,
    clips: Sequence[Pcm],
    quantization: Quantization,
    progress: Progress = lambda done: None,
) -> Parity:
    """Run both front ends over the clips.

    Args:
        spec: a fitted spec.
        clips: int16 (samples, channels), as ``extract`` takes them.

    Raises:
        DataError: no clips.
        ToolError, BuildError: the front end cannot be built for this machine.
    """
    if not clips:
        raise DataError("no clips to compare on")
    raw = log_mel_spec(spec)
    log_mel = NativeFrontend(raw)
    q = quantization
    device = NativeFrontend(spec, scale=q.scale, zero_point=q.zero_point, dtype=q.dtype)
    errors, above, steps = [], [], []
    for done, pcm in enumerate(clips):
        progress(done)
        difference = np.abs(log_mel.rows(pcm).astype(np.float64) - extract.extract(pcm, raw))
        errors.append((difference * decibels(raw)).ravel())
        above.append(above_floor(pcm, raw).ravel())
        expected = extract.quantize(extract.extract(pcm, spec), q.scale, q.zero_point, q.dtype)
        steps.append(np.abs(device.rows(pcm).astype(np.float64) - expected).ravel())
    progress(len(clips))
    return _figures(len(clips), np.concatenate(errors), np.concatenate(above), np.concatenate(steps))


def _figures(
    clips: int, error: npt.NDArray[np.float64], above: npt.NDArray[np.bool_], step: npt.NDArray[np.float64]
) -> Parity:
    """Of all clips: each value's difference in decibels, whether it is above the floor, and by how many quantization
    steps each input of the network differs."""
    heard = error[above]
    return Parity(
        clips=clips,
        values=error.size,
        values_above=heard.size,
        error_db_max=float(heard.max(initial=0.0)),
        error_db_rms=float(np.sqrt(np.mean(heard**2))) if heard.size else 0.0,
        error_db_max_anywhere=float(error.max()),
        inputs=step.size,
        equal_percent=float(100 * np.mean(step == 0)),
        worst_step=int(step.max()),
    )


@dataclass(frozen=True)
class Heard:
    """One clip through the network twice: with librosa's features and with the generated front end's.

    Attributes:
        librosa, device: the network's first output, as probabilities or scores.
    """

    librosa: npt.NDArray[np.float64]
    device: npt.NDArray[np.float64]

    @property
    def agree(self) -> bool:
        """Whether both name the same class."""
        return bool(self.librosa.argmax() == self.device.argmax())

    @property
    def margin_percent(self) -> float:
        """Distance of the two best scores with librosa's features, in percent of the scores' sum of magnitudes."""
        second, first = np.sort(self.librosa)[-2:]
        return float(100 * (first - second) / max(np.abs(self.librosa).sum(), 1e-12))


def predictions(
    graph: Graph,
    spec: FeatureSpec,
    clips: Sequence[Pcm],
    quantization: Quantization,
    progress: Progress = lambda done: None,
) -> list[Heard]:
    """What the network hears through either front end.

    Args:
        graph: the network as imported, run by the integer interpreter.
        spec: a fitted spec.
        clips: int16 (samples, channels).
        quantization: of the network's input.
    """
    q = quantization
    device = NativeFrontend(spec, scale=q.scale, zero_point=q.zero_point, dtype=q.dtype)
    heard = []
    for done, pcm in enumerate(clips):
        progress(done)
        expected = extract.quantize(extract.extract(pcm, spec), q.scale, q.zero_point, q.dtype)
        heard.append(Heard(scores(graph, spec, expected), scores(graph, spec, device.rows(pcm))))
    progress(len(clips))
    return heard


def scores(graph: Graph, spec: FeatureSpec, features: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """The network's first output in real numbers, for one clip's quantized features (time, mel, channel)."""
    x, output = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    value = np.ascontiguousarray(extract.to_input(features, spec)).reshape(x.shape).astype(x.dtype.numpy)
    found = interp.run(graph, [value])[0].reshape(-1).astype(np.float64)
    return (found - output.zero_point) * output.scale if output.quant is not None else found
