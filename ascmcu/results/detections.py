# SPDX-License-Identifier: Apache-2.0
"""Where in recordings a wake word was heard: by the mean of the last probabilities, as in the package pymicro-wakeword.

Its ``MicroWakeWord.process_streaming`` is the definition.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from ascmcu.benchmark.clips import Clips, outputs
from ascmcu.benchmark.journal import ClipResult
from ascmcu.benchmark.wire import Kind
from ascmcu.features import spec as specs
from ascmcu.features.wakeword import Detection
from ascmcu.results.schema import Heard
from ascmcu.toolchain.manifest import Manifest


def heard(manifest: Manifest, clips: Clips, results: Sequence[ClipResult]) -> Heard | None:
    """The moments by recording; None where the network is of no wake word, or took no audio."""
    if manifest.detection is None or manifest.features is None or clips.kind is not Kind.AUDIO:
        return None
    spec = specs.from_dict(manifest.features)
    found: dict[str, tuple[float, ...]] = {}
    for name, of_recording in _recordings(clips, results).items():
        probabilities = [_probability(manifest, result) for result in of_recording]
        ends = (spec.clip_samples + n * spec.step_samples for n in moments(probabilities, manifest.detection))
        found[name] = tuple(round(end / spec.sample_rate_hz, 3) for end in ends)
    return Heard(manifest.detection.word, found)


def moments(probabilities: Sequence[float], rule: Detection) -> list[int]:
    """The steps at which the mean of the last ``rule.window`` probabilities comes to lie above ``rule.cutoff``."""
    means = [
        statistics.mean(probabilities[n + 1 - rule.window : n + 1]) if n + 1 >= rule.window else 0.0
        for n in range(len(probabilities))
    ]
    above = [mean > rule.cutoff for mean in means]
    return [n for n in range(len(above)) if above[n] and not (n and above[n - 1])]


def _recordings(clips: Clips, results: Sequence[ClipResult]) -> dict[str, list[ClipResult]]:
    """The results of every recording's steps, in their order."""
    found: dict[str, list[ClipResult]] = {}
    for clip, result in zip(clips.clips, results, strict=True):
        found.setdefault(clip.name.rpartition("[")[0] or clip.name, []).append(result)
    return found


def _probability(manifest: Manifest, result: ClipResult) -> float:
    spec = manifest.outputs[0]
    raw = outputs(manifest, result.outputs)[0].reshape(-1)[0]
    return float(np.float32(spec.scale) * (np.float32(raw) - np.float32(spec.zero_point)))
