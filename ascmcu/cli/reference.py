# SPDX-License-Identifier: Apache-2.0
"""The output of ``ascmcu features check --reference``."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ascmcu.cli.progress import staged
from ascmcu.errors import DataError, FeatureError

if TYPE_CHECKING:
    from ascmcu.benchmark.parity import Quantization
    from ascmcu.benchmark.reference import Comparison
    from ascmcu.features.neighbours import Distance, Recording, Step
    from ascmcu.features.spec import FeatureSpec
    from ascmcu.ir.graph import Graph

_ROWS = 5
_BARS = "▁▂▃▄▅▆▇█"
_HINTS = (
    "hint: the device hears int16 samples: compute the reference from the recordings as they are stored,",
    "      or round a resampled one to int16 first: np.round(32768 * x) / 32768",
    "hint: if you know the sizes, write the specification and compare it:",
    "      ascmcu features check SPEC.toml --reference FEATS.npy --data DIR; it names the options that bring it nearer",
)


def check(
    spec_name: str | None, model: Path | None, reference: Path, files: Sequence[Path], as_json: bool
) -> bool:
    """Compare, tell, and say whether the specification gives the reference's features and its answers."""
    from ascmcu.benchmark import reference as against
    from ascmcu.features import reference as arrays
    from ascmcu.features import spec as specs

    graph, labels, quantization, embedded = _network(model, spec_name is None)
    spec = specs.load_log_mel(spec_name) if spec_name is not None else embedded
    if spec is None:
        raise FeatureError(
            "the model names no features", where=str(model), hint="name them: features check SPEC"
        )
    if graph is not None and graph.tensors[graph.inputs[0]].elements != math.prod(spec.input_shape):
        raise FeatureError(
            "the features do not fit the model",
            where=str(model),
            expected=graph.tensors[graph.inputs[0]].shape,
            found=spec.input_shape,
        )
    array = arrays.load(reference)
    if array.dtype.name in ("int8", "uint8"):
        quantization = _integer(quantization, array.dtype.name, reference)
    ways = arrays.oriented(array, spec, len(files), str(reference))
    recordings = [_recording(path, spec) for path in files]
    with staged() as say:
        found = against.check(
            spec, recordings, ways, quantization, str(reference), graph,
            lambda what, done, total: say(what, "steps", done, total),
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps(_report(found, labels), indent=2))
    else:
        _tell(found, array, reference, spec_name or str(model), labels)
    return found.holds and not found.differing


def fit(
    reference: Path,
    files: Sequence[Path],
    rate_hz: int | None,
    duration_s: float | None,
    output: Path | None,
    as_json: bool,
) -> bool:
    """Search, tell, write; say whether the specification found gives the reference's features."""
    from ascmcu.benchmark import parity
    from ascmcu.benchmark.reference import is_near
    from ascmcu.features import extract, fitting
    from ascmcu.features import reference as arrays
    from ascmcu.paths import check_output, write_whole

    if output is not None:
        check_output(output, reference, *files)
    array = arrays.load(reference)
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(
            "a search needs features before quantization",
            where=str(reference),
            expected="float",
            found=array.dtype,
        )
    if array.ndim < 2 or len(array) != len(files):
        raise DataError(
            "the reference has another number of clips than the data",
            where=str(reference),
            expected=f"({len(files)}, rows, bins)",
            found=array.shape,
        )
    recordings = [_read(path) for path in files]
    rate = rate_hz or recordings[0].rate_hz
    longest = max(len(each.samples) / each.rate_hz for each in recordings)
    samples = round((duration_s or longest) * rate)
    q = parity.quantization_for([array.astype(np.float32)])
    with staged() as say:
        found = fitting.fit(
            recordings, array.astype(np.float32), rate, samples, str(reference),
            lambda x: extract.quantize(x, q.scale, q.zero_point, q.dtype),
            lambda distance: is_near(distance, False),
            lambda what, done, total: say(what, "specifications", done, total),
        )  # fmt: skip
    holds = is_near(found.distance, False)
    text = found.spec.to_toml()
    if output is not None:
        write_whole(output, text)
    if as_json:
        report = {**dataclasses.asdict(found), "spec": found.spec.to_dict(), "holds": holds}
        click.echo(json.dumps(report, indent=2))
        return holds
    order = f" ({found.order})" if found.order else ""
    click.echo(f"{reference.name}{order}: the nearest of {found.tried} front ends began as {found.start}")
    click.echo(_sentence(found.distance))
    click.echo("equal" if holds else "not equal: none of the front ends that were tried gives these features")
    for line in () if holds else _HINTS:
        click.echo(line)
    click.echo(f"written to {output}" if output is not None else f"\n{text.rstrip()}")
    return holds


def _read(path: Path) -> Recording:
    from ascmcu.data import audio
    from ascmcu.features.neighbours import Recording

    sound = audio.read(path)
    return Recording(path.name, sound.samples, sound.rate_hz)


def _network(
    model: Path | None, with_features: bool
) -> tuple[Graph | None, Sequence[str], Quantization | None, FeatureSpec | None]:
    """The network as imported, its labels, its input's quantization and its own features."""
    if model is None:
        return None, (), None, None
    from ascmcu import api
    from ascmcu.benchmark.parity import Quantization
    from ascmcu.features import spec as specs

    compiled = api.compile_model(model, features=None if with_features else False)
    x = compiled.source.tensors[compiled.source.inputs[0]]
    quantization = Quantization(x.scale, x.zero_point, x.dtype.numpy.name) if x.quant is not None else None
    embedded = None if compiled.features is None else specs.log_mel(compiled.features, str(model))
    return compiled.source, compiled.labels, quantization, embedded


def _integer(quantization: Quantization | None, dtype: str, where: Path) -> Quantization:
    if quantization is None or quantization.dtype != dtype:
        raise DataError(
            "a quantized reference needs the scale of the network's input",
            where=str(where),
            expected=f"--model MODEL.tflite with an input of {dtype}",
            found="no model" if quantization is None else f"an input of {quantization.dtype}",
        )
    return quantization


def _recording(path: Path, spec: FeatureSpec) -> Recording:
    from ascmcu.data import audio
    from ascmcu.features.neighbours import Recording

    sound = audio.usable(path, spec)
    return Recording(path.name, sound.samples, sound.rate_hz)


def _tell(found: Comparison, array: Any, reference: Path, spec_name: str, labels: Sequence[str]) -> None:
    shape = " × ".join(map(str, array.shape))
    order = f"; {found.order}" if found.order else ""
    click.echo(
        f"{reference.name} ({shape}, {array.dtype}{order}) against {Path(spec_name).stem}, generated C"
    )
    if found.constants_fitted:
        click.echo("the specification has no mean and std: they are taken from the reference")
    click.echo(_sentence(found.distance))
    if not found.holds:
        clip, row, band, _ = found.worst_at
        click.echo(f"worst in {found.clips[clip]}, row {row}, bin {band}")
        click.echo(_pattern("row", found.by_row, found.distance.unit))
        click.echo(_pattern("bin", found.by_bin, found.distance.unit))
        _tell_steps(found)
    if found.answers:
        alike = len(found.answers) - len(found.differing)
        click.echo(f"{alike} of {len(found.answers)} clips get the same class")
        for answer in found.differing:
            theirs, ours = (labels[i] if labels else str(i) for i in (answer.reference, answer.device))
            click.echo(
                f"  {answer.name}: {theirs} with the reference, {ours} on the device; "
                f"margin {answer.margin_percent:.2f} %"
            )
    click.echo("equal" if found.holds else "not equal: at most 0.01 dB, and 99.9 % of the quantized values")


def _tell_steps(found: Comparison) -> None:
    if not found.nearer:
        click.echo("no single option brings the specification nearer")
    else:
        click.echo("nearer with one option:")
    for step in found.nearer[:_ROWS]:
        click.echo(f"  {step.change}\n      would bring {_way(found.distance, step)}")
    if found.nearest is not None:
        click.echo("nearest that was found, several options together:")
        click.echo(f"  {found.nearest.change}\n      would bring {_way(found.distance, found.nearest)}")
    if found.shift_rows:
        late = "late" if found.shift_rows > 0 else "early"
        click.echo(
            f"the reference's rows are {abs(found.shift_rows)} {late}: its first frame starts elsewhere"
        )


def _way(before: Distance, step: Step) -> str:
    found = step.distance
    if before.unit == found.unit:
        worst = f"{_digits(before.worst)} {before.unit} to {_digits(found.worst)} {found.unit}"
    else:
        worst = f"the worst difference to {_digits(found.worst)} {found.unit}"
    return f"{worst}, {found.equal_percent:.2f} % of the quantized values equal"


def _sentence(distance: Distance) -> str:
    unit = distance.unit
    return (
        f"worst {_digits(distance.worst)} {unit}, mean {_digits(distance.mean)} {unit}; "
        f"{distance.equal_percent:.2f} % of the quantized values equal"
    )


def _digits(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _pattern(name: str, values: Sequence[float], unit: str) -> str:
    """Mean differences as bars, at most 64 of them, and where the largest is."""
    width = -(-len(values) // 64)
    groups = [max(values[i : i + width]) for i in range(0, len(values), width)]
    top = max(max(groups), 1e-30)
    bars = "".join(_BARS[min(int(8 * value / top), 7)] for value in groups)
    at = max(range(len(values)), key=values.__getitem__)
    return f"by {name}  {bars}  most in {name} {at}: mean {_digits(values[at])} {unit}"


def _report(found: Comparison, labels: Sequence[str]) -> dict[str, Any]:
    def step(one: Step) -> dict[str, Any]:
        return {"change": one.change, **dataclasses.asdict(one.distance), "spec": one.spec.to_dict()}

    def label(index: int) -> str | int:
        return labels[index] if labels else index

    return {
        "clips": list(found.clips),
        "holds": found.holds,
        **dataclasses.asdict(found.distance),
        "worst_at": dict(zip(("clip", "row", "bin", "channel"), found.worst_at, strict=True)),
        "by_row": list(found.by_row),
        "by_bin": list(found.by_bin),
        "order": found.order,
        "constants_fitted": found.constants_fitted,
        "nearer": [step(one) for one in found.nearer[:_ROWS]],
        "nearest": None if found.nearest is None else step(found.nearest),
        "shift_rows": found.shift_rows,
        "alike": len(found.answers) - len(found.differing) if found.answers else None,
        "differing": [
            {
                "clip": a.name,
                "reference": label(a.reference),
                "device": label(a.device),
                "margin_percent": round(a.margin_percent, 3),
            }
            for a in found.differing
        ],
    }
