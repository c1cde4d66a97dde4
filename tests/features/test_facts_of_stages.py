# SPDX-License-Identifier: Apache-2.0
"""What each stage of a generated front end says of itself, in words and in figures, as it was read once.

Table values are the business of the tests that compare features; here is how many there are.
"""

from __future__ import annotations

from ascmcu.codegen.frontend.logmel import LogMel
from ascmcu.codegen.frontend.micro import Micro
from ascmcu.codegen.frontend.parts import Stages
from ascmcu.codegen.frontend.pcm import RawPcm
from ascmcu.features import spec as specs
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.features.spec import FeatureSpec
from tests.features.signals import overrides, plain
from tests.support.snapshots import Snapshot

BASE = specs.load_log_mel("default").unnormalized().to_dict()


def _variant(name: str) -> Stages:
    spec = FeatureSpec.from_dict({**BASE, "clip_samples": 11111, **overrides(name)})
    return LogMel.of(plain(spec) if spec.normalization == "mean_std" else spec, 0.1, 3, "int8")


# Every option of a stage at least once.
NAMES = (
    "short window, odd length", "not centred", "window at the start", "the largest sample is 1",
    "the largest sample is 1, peak at 0 dB", "FFT by factors", "FFT by chirps, odd length", "shortest FFT",
    "pre-emphasis of the clip, mirrored ends", "Kaldi's frames", "symmetric window, odd length", "no window",
    "magnitude by FFT", "the bins of an odd FFT", "corners at bins", "a range in steps",
    "rows of five frames, overlapping", "MFCC, energy of the frame first", "MFCC, energy of the spectrum first",
    "MFCC behind a lifter", "z-score of the rows around", "delta-deltas, fitted edges", "log10 with offset and floor",
    "top_db below the clip's peak", "top_db below the running peak", "MFCC below the running peak",
    "mid and side, cropped", "deltas, nearest", "min-max, joint, before deltas", "mean and deviation before deltas",
)  # fmt: skip
FRONT_ENDS: dict[str, Stages] = {
    **{name: _variant(name) for name in NAMES},
    "float": LogMel.of(specs.load_log_mel("default").unnormalized(), 1.0, 0, "float32"),
    "microfrontend": Micro.of(MicroSpec(), 0.02, -128, "int8"),
    "raw samples": RawPcm.of(PcmSpec(), 1 / 128, 0, "int8"),
}


def _facts(frontend: Stages) -> str:
    """Summary, constants, tables, state and buffers, by stage."""
    lines = [f"# {line}" for line in frontend.summary]
    for stage in frontend.stages:
        facts = [f"{c.name} = {c.value}" for c in stage.constants]
        facts += [f"{t.type} {t.name}[{len(t.values)}] ({t.bytes} bytes)" for t in stage.tables]
        facts += [f"{v.type} {v.name}{v.extent} ({v.bytes} bytes)" for v in (*stage.state, *stage.buffers)]
        lines += [f"{type(stage).__name__}: {', '.join(facts)}"] if facts else []
    cost = frontend.cost
    lines += [f"{what}: {', '.join(f'{name} {size}' for name, size in parts)}"
              for what, parts in (("ram", cost.ram), ("tables", cost.tables))]  # fmt: skip
    return "\n".join([*lines, f"{frontend.state_bytes} + {cost.ram_bytes} + {cost.tables_bytes} bytes", ""])


def test_facts(snapshot: Snapshot) -> None:
    snapshot("stages", "\n".join(f"== {name}\n{_facts(made)}" for name, made in FRONT_ENDS.items()))
