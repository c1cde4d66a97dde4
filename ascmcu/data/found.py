# SPDX-License-Identifier: Apache-2.0
"""The findings about a recording and their consequences; no other module decides how a recording is used.

A kind of finding is *refused* (no clip can be made of the file, or none that holds the recording), a *fault* (the
clip is made, and the file is probably not what it should be) or a *note* (the clip is made, and it is said how).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ascmcu.features.base import ClipSpec

Long = Literal["first", "error", "windows"]
LONG: tuple[Long, ...] = ("first", "error", "windows")
Severity = Literal["refused", "fault", "note"]

SHORTEST_S = 0.01
# Decoders and float files overshoot full scale by a few times at most; integers stored as floats by hundreds.
LARGEST_PEAK = 16.0
CANCELLED = 0.01  # the mix against the channels, by amplitude: 40 dB
CLIPPED_RUN = 3
CLIPPED_SHARE = 0.001
_HALF_STEP = 0.5 / 32768


@dataclass(frozen=True)
class Kind:
    """A kind of finding: how much it weighs, and how recordings of it are called and treated."""

    severity: Severity
    title: str


KINDS = {
    "unreadable": Kind("refused", "unreadable"),
    "empty": Kind("refused", "without samples"),
    "too_short": Kind("refused", "shorter than 10 ms"),
    "not_finite": Kind("refused", "with NaN or infinite samples"),
    "integer_scaled": Kind("refused", "with float samples that are not scaled to ±1"),
    "too_many_channels": Kind("refused", "with more channels than the front end takes"),
    "too_few_channels": Kind("refused", "with fewer channels than the front end has microphones"),
    "too_long": Kind("refused", "longer than the clip (--long error)"),
    "truncated": Kind("fault", "truncated: fewer samples than the header states"),
    "cancels": Kind("fault", "whose channels cancel each other when mixed"),
    "nothing_heard": Kind("fault", "that begin with silence longer than the clip: nothing of them is used"),
    "longer": Kind("note", "longer than the clip"),
    "shorter": Kind("note", "shorter than the clip: silence is added at the end"),
    "streamed": Kind("note", "with an unfinished header (streamed): read to the end of the file"),
    "beyond_full_scale": Kind("note", "with samples beyond full scale: clipped"),
    "clipped": Kind("note", "clipped"),
    "silent": Kind("note", "silent"),
    "mixed": Kind("note", "with more channels than the front end: the channels are averaged"),
    "doubled": Kind("note", "with one channel: used for both channels of the front end"),
    "resampled": Kind("note", "of another sample rate: resampled"),
    "upsampled": Kind("note", "of a lower sample rate than the front end's: their upper bands stay empty"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was found: a key of ``KINDS``, and the figures."""

    kind: str
    text: str = ""

    @property
    def severity(self) -> Severity:
        """How much it weighs."""
        return KINDS[self.kind].severity

    @property
    def words(self) -> str:
        """What was found, with its figures."""
        title = KINDS[self.kind].title
        return f"{title} ({self.text})" if self.text else title


@dataclass(frozen=True)
class Found:
    """What reading told of one file.

    Args:
        digest: SHA-256 of the samples as float32; empty where there are none.
        samples: per channel.
        heard_from_s: where the first sample lies that is not silence.
    """

    digest: str = ""
    rate_hz: int = 0
    channels: int = 0
    samples: int = 0
    heard_from_s: float = 0.0
    findings: tuple[Finding, ...] = ()

    @property
    def seconds(self) -> float:
        """The recording's length."""
        return self.samples / self.rate_hz if self.rate_hz else 0.0

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of its findings."""
        return frozenset(finding.kind for finding in self.findings)


def unreadable(why: str) -> Found:
    """The record of a file that could not be decoded."""
    return Found(findings=(Finding("unreadable", why),))


def of(
    samples: npt.NDArray[np.float64],
    rate_hz: int,
    *,
    cut: str = "",
    streamed: bool = False,
    digest: bool = True,
) -> Found:
    """The record of a decoded file.

    Args:
        samples: (samples, channels), full scale is ±1.
        rate_hz: their rate.
        cut: how much of what the header promises is there; empty where all is.
        streamed: whether the header left its size open.
        digest: whether the samples' hash is wanted.
    """
    count, channels = samples.shape
    findings = [Finding("streamed")] if streamed else []
    if cut and count:
        findings.append(Finding("truncated", cut))
    findings += _of_samples(samples, rate_hz, cut)
    heard = np.flatnonzero(np.abs(samples).max(axis=1) >= _HALF_STEP) if count else np.zeros(0, int)
    return Found(
        digest=hashlib.sha256(samples.astype("<f4").tobytes()).hexdigest() if digest else "",
        rate_hz=rate_hz,
        channels=channels,
        samples=count,
        heard_from_s=float(heard[0]) / rate_hz if len(heard) else count / rate_hz,
        findings=tuple(findings),
    )


def _of_samples(samples: npt.NDArray[np.float64], rate_hz: int, cut: str) -> list[Finding]:
    if not len(samples):
        return [Finding("empty", cut)]
    wrong = ~np.isfinite(samples)
    if wrong.any():
        at_s = float(np.argmax(wrong.any(axis=1))) / rate_hz
        return [Finding("not_finite", f"{int(wrong.sum())} of {samples.size}, the first at {at_s:.3f} s")]
    findings = []
    if len(samples) < SHORTEST_S * rate_hz:
        findings.append(Finding("too_short", f"{len(samples)} at {rate_hz} Hz"))
    peak = float(np.abs(samples).max())
    if peak > LARGEST_PEAK:
        findings.append(Finding("integer_scaled", f"the largest is {peak:.0f}"))
    elif peak > 1.0:
        beyond = int((np.abs(samples) > 1.0).sum())
        findings.append(Finding("beyond_full_scale", f"{beyond} of {samples.size}, the largest {peak:.2f}"))
    else:
        clipped = _clipped(samples) if peak > 0.99 else 0
        if clipped > CLIPPED_SHARE * samples.size:
            findings.append(Finding("clipped", f"{clipped} of {samples.size} samples at full scale"))
    if len(samples) > 1 and (peak < _HALF_STEP or float(np.ptp(samples, axis=0).max()) < 2 * _HALF_STEP):
        findings.append(Finding("silent"))
    elif samples.shape[1] > 1:
        mix, each = np.sqrt(np.mean(samples.mean(axis=1) ** 2)), np.sqrt(np.mean(samples**2))
        if mix < CANCELLED * each:
            findings.append(Finding("cancels", f"{samples.shape[1]} channels"))
    return findings


def _clipped(samples: npt.NDArray[np.float64]) -> int:
    """Samples in runs of three or more at the largest or the smallest value."""
    count = 0
    for channel in samples.T:
        for at_end in (channel == channel.max(), channel == channel.min()):
            edges = np.flatnonzero(np.diff(np.concatenate(([False], at_end, [False])).astype(np.int8)))
            runs = edges[1::2] - edges[::2]
            count += int(runs[runs >= CLIPPED_RUN].sum())
    return count


def in_clip(found: Found, spec: ClipSpec, long: Long = "first") -> tuple[Finding, ...]:
    """What else there is to say when a front end hears the recording.

    Less than one hop of the front end too long or too short is neither.
    """
    if found.kinds & {"unreadable", "empty"}:
        return ()
    findings = []
    excess = samples_at(found, spec.sample_rate_hz) - spec.clip_samples
    if excess >= spec.hop_length:
        length = f"{found.seconds:.2f} s for {spec.clip_samples / spec.sample_rate_hz:g} s"
        findings.append(Finding("too_long" if long == "error" else "longer", length))
        silent_s = spec.clip_samples / spec.sample_rate_hz
        if long == "first" and found.heard_from_s >= silent_s and "silent" not in found.kinds:
            findings.append(Finding("nothing_heard", f"silent until {found.heard_from_s:.2f} s"))
    elif -excess >= spec.hop_length:
        findings.append(Finding("shorter", f"{found.seconds:.2f} s"))
    if found.channels > spec.audio_channels:
        kind = "mixed" if spec.audio_channels == 1 else "too_many_channels"
        findings.append(Finding(kind, f"{found.channels} for {spec.audio_channels}"))
    elif found.channels < spec.audio_channels:
        of_microphones = Finding("too_few_channels", f"{found.channels} for {spec.audio_channels}")
        findings.append(Finding("doubled") if spec.audio_channels == 2 else of_microphones)
    if found.rate_hz != spec.sample_rate_hz:
        rates = f"{found.rate_hz} Hz for {spec.sample_rate_hz} Hz"
        findings.append(Finding("upsampled" if found.rate_hz < spec.sample_rate_hz else "resampled", rates))
    return tuple(findings)


def refusals(found: Found, spec: ClipSpec | None = None, long: Long = "first") -> tuple[Finding, ...]:
    """Why the recording cannot be used; nothing where it can.

    A recording whose channels cancel is refused by a mono front end, which would hear silence.
    """
    clip = () if spec is None else in_clip(found, spec, long)
    mono = spec is not None and spec.audio_channels == 1
    return tuple(
        finding
        for finding in (*found.findings, *clip)
        if finding.severity == "refused" or (finding.kind == "cancels" and mono)
    )


def samples_at(found: Found, rate_hz: int) -> int:
    """Samples of the recording at another rate."""
    return round(found.samples * rate_hz / found.rate_hz)


def window_starts(found: Found, spec: ClipSpec, long: Long) -> tuple[int, ...]:
    """Where the clips of a recording begin, in samples at the front end's rate.

    With ``windows`` they lie side by side, and the last one ends with the recording; else there is one.
    """
    samples = samples_at(found, spec.sample_rate_hz)
    if long != "windows" or samples - spec.clip_samples < spec.hop_length:
        return (0,)
    starts = list(range(0, samples - spec.clip_samples + 1, spec.clip_samples))
    if samples - spec.clip_samples - starts[-1] >= spec.hop_length:
        starts.append(samples - spec.clip_samples)
    return tuple(starts)


@dataclass(frozen=True)
class Intake:
    """What was heard of some recordings, for results and reports.

    Args:
        recordings: how many there are.
        clip_s: the length that the front end hears, in seconds.
        long: what was done with longer ones: ``first`` or ``windows``.
        clips: how many clips they gave; more than ``recordings`` with ``windows``.
        findings: kind (``found.KINDS``) → how many recordings.
        first: kind → the name of the first of them.
    """

    recordings: int
    clip_s: float
    long: str
    clips: int
    findings: dict[str, int]
    first: dict[str, str]

    def lines(self) -> tuple[str, ...]:
        """A sentence for every kind of finding: faults first, with the first name."""
        ordered = sorted(
            self.findings, key=lambda kind: (KINDS[kind].severity != "fault", [*KINDS].index(kind))
        )
        return tuple(
            f"{self.findings[kind]} of {self.recordings} recordings {KINDS[kind].title}{self._done(kind)}"
            + (f" ({self.first[kind]}{', …' if self.findings[kind] > 1 else ''})" if _is_fault(kind) else "")
            for kind in ordered
        )

    def _done(self, kind: str) -> str:
        if kind != "longer":
            return ""
        if self.long == "windows":
            return (
                f": scores are the mean over windows of {self.clip_s:g} s side by side, the last at the end "
                f"({self.clips} windows)"
            )
        return f": their first {self.clip_s:g} s are heard"


def _is_fault(kind: str) -> bool:
    return KINDS[kind].severity == "fault"
