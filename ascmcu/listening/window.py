# SPDX-License-Identifier: Apache-2.0
"""How a network listens: the window that it hears, and the hop from one window to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ascmcu.errors import FeatureError, InputError
from ascmcu.features.spec import FeatureSpec, Spec
from ascmcu.ir.graph import Graph


@dataclass(frozen=True)
class Listening:
    """A network of windows, or of steps, in audio without end. Samples are sample frames.

    Attributes:
        window_rows: feature rows of a window; of a step, where the network has states of its own.
        hop_rows: rows from the start of a window to that of the next.
        window_samples, hop_samples: the same in samples.
        sample_rate_hz: of the front end.
        steps: the network is one of steps, so there is no window.
        kept: tensors whose rows are kept from one window to the next.
    """

    window_rows: int
    hop_rows: int
    window_samples: int
    hop_samples: int
    sample_rate_hz: int
    steps: bool = False
    kept: tuple[str, ...] = ()

    @property
    def warmup_hops(self) -> int:
        """Hops until the first window is full: the scores of those before it mean nothing."""
        return 0 if self.steps else -(-self.window_rows // self.hop_rows) - 1

    @property
    def hop_text(self) -> str:
        """The hop in words."""
        return f"{1000 * self.hop_s:g} ms"

    @property
    def window_s(self) -> float:
        """Seconds of a window."""
        return self.window_samples / self.sample_rate_hz

    @property
    def hop_s(self) -> float:
        """Seconds of a hop."""
        return self.hop_samples / self.sample_rate_hz


def of_steps(spec: Spec, rows: int, window_s: float | None, hop_s: float | None) -> Listening:
    """Of a network with states: it hears one step after the other.

    Raises:
        InputError: a window, or a hop other than the step.
    """
    step_s = spec.step_samples / spec.sample_rate_hz
    if window_s is not None:
        raise InputError("a network with states has no window", where="--window", found=f"{window_s:g} s")
    if hop_s is not None and not math.isclose(hop_s, step_s):
        raise InputError(
            "a network with states goes on by its own step",
            where="--hop",
            expected=f"{step_s:g} s",
            found=f"{hop_s:g} s",
        )
    return Listening(rows, rows, spec.clip_samples, spec.step_samples, spec.sample_rate_hz, steps=True)


def of_windows(spec: Spec, graph: Graph, window_s: float | None, hop_s: float | None) -> Listening:
    """Of a network of clips: its window is the clip.

    Args:
        spec: of the clip.
        graph: of the clip; its input's rows are the front end's.
        window_s, hop_s: seconds; without a window it is the clip's length.

    Raises:
        InputError: another window than the network's, no hop, or one that is no number of rows.
        FeatureError: a front end whose rows depend on the clip that they are in.
    """
    rate, step = spec.sample_rate_hz, spec.hop_length
    rows = graph.tensors[graph.inputs[0]].rows
    samples = of_stream(spec).frame_samples + (rows - 1) * step
    if (
        window_s is not None
        and not samples <= round(window_s * rate) < samples + step
        and round(window_s * rate) != spec.clip_samples
    ):
        raise InputError(
            "the network hears windows of another length",
            where="--window",
            expected=f"{spec.clip_samples / rate:g} s, the length of its clips",
            found=f"{window_s:g} s",
        )
    if hop_s is None:
        raise InputError(
            "how far do the windows lie apart?", where="--listen", hint="add --hop, such as --hop 250ms"
        )
    return Listening(rows, _hop_rows(hop_s, step / rate, rows), samples, round(hop_s * rate), rate)


def _hop_rows(hop_s: float, step_s: float, rows: int) -> int:
    count = round(hop_s / step_s)
    if not 1 <= count < rows:
        raise InputError(
            "windows must overlap, and may not be the same",
            where="--hop",
            expected=f"{step_s:g} s to {(rows - 1) * step_s:g} s",
            found=f"{hop_s:g} s",
        )
    if not math.isclose(count * step_s, hop_s, rel_tol=1e-9):
        low = math.floor(hop_s / step_s)
        near = [n * step_s for n in (low, low + 1) if 1 <= n < rows]
        raise InputError(
            f"a hop is a multiple of the {1000 * step_s:g} ms between two rows of features",
            where="--hop",
            expected=" or ".join(f"{1000 * s:g} ms" for s in near),
            found=f"{1000 * hop_s:g} ms",
        )
    return count


def of_stream(spec: Spec) -> Spec:
    """The spec of the same frames in audio without end: a frame that reaches beyond the clip's ends, where that is
    padded, then holds the sound that is there.

    Args:
        spec: of the clip.

    Raises:
        FeatureError: a front end whose rows depend on the clip that they are in.
    """
    if isinstance(spec, FeatureSpec) and (spec.center or not spec.snip_edges):
        samples = spec.frame_samples + (spec.frames - 1) * spec.hop_length
        spec = spec.replace(center=False, snip_edges=True, pad_mode="reflect", clip_samples=samples)
    if not spec.can_continue:
        raise FeatureError(
            "the front end's rows depend on the clip that they are in, so that windows cannot share them",
            where="--listen",
            expected="rows of their own frame and of earlier ones",
            hint="train without deltas, stacked frames, dropped frames and figures of the clip",
        )
    return spec


def beyond_ends(spec: Spec) -> str:
    """Which rows of a window hold other samples than those of a clip, in a sentence; empty where none does."""
    if not isinstance(spec, FeatureSpec) or not (spec.center or not spec.snip_edges):
        return ""
    begins = [row * spec.hop_length - spec.lead for row in range(spec.frames)]
    first = sum(begin < 0 for begin in begins)
    last = sum(begin + spec.span > spec.clip_samples for begin in begins)
    return (
        f"the first {first} and the last {last} of a window's {spec.frames} frames reach beyond its ends: a clip is "
        "padded there, a stream is not, so scores are those of the stream, not of a clip"
    )


def other_length(heard: Listening, window_s: float | None) -> str:
    """How long the window is where that is not what was asked for, in a sentence; else empty."""
    if window_s is None or round(window_s * heard.sample_rate_hz) == heard.window_samples:
        return ""
    told = (
        f"a window of {window_s:g} s is heard as {heard.window_rows} frames, which span {heard.window_s:g} s"
    )
    shorter = heard.window_s < window_s
    return told + (": the samples behind the last whole frame belong to no frame" if shorter else "")


def memory_of(spec: Spec) -> str:
    """What a row depends on beside its own frame, in words; empty where that is nothing."""
    if not isinstance(spec, FeatureSpec):
        return "the noise estimate" if spec.frontend == "micro" else ""
    if spec.log == "pcen":
        return "the automatic gain"
    if spec.top_db is not None and spec.top_db_mode == "running":
        return "the peak so far"
    if spec.pre_emphasis and spec.pre_emphasis_scope == "clip":
        return "the sample before the first"
    return ""


@dataclass(frozen=True)
class Pace:
    """What a hop costs, as the cycle model ran it at the board's clock.

    Attributes:
        frontend_cycles, network_cycles: the most of a hop.
        spared: the part of the network's work that windows share and that is not done again, as predicted; None for a
            network of steps, which has no windows.
        longest_cycles: from the samples that end a hop to its scores. Meanwhile further samples come.
        hop_cycles: the core's between two hops.
        listener_cycles: the most that ``listen.elf`` was busy in a hop, with its microphone; 0 without one.
    """

    frontend_cycles: int
    network_cycles: int
    spared: float | None
    longest_cycles: int
    hop_cycles: int
    listener_cycles: int = 0

    @property
    def load(self) -> float:
        """The part of its time that the core is busy."""
        return (self.frontend_cycles + self.network_cycles) / self.hop_cycles

    @property
    def keeps_up(self) -> bool:
        """Whether a hop is done before the next one is there."""
        return self.load < 1

    @property
    def text(self) -> str:
        """In a sentence."""
        spared = (
            "" if self.spared is None else f"; {100 * self.spared:.1f} % of recomputing the windows is spared"
        )
        return (
            f"a hop takes {self.frontend_cycles + self.network_cycles:,} of {self.hop_cycles:,} cycles "
            f"({100 * self.load:.1f} %): front end {self.frontend_cycles:,}, network {self.network_cycles:,}"
            f"{spared}{self._of_listener}"
        )

    @property
    def _of_listener(self) -> str:
        if not self.listener_cycles:
            return ""
        share = 100 * self.listener_cycles / self.hop_cycles
        return f"; listen.elf with its microphone {self.listener_cycles:,} ({share:.1f} %)"
