# SPDX-License-Identifier: Apache-2.0
"""``ascmcu features``: list, show and check the audio front ends."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ascmcu.cli import names as completion
from ascmcu.cli.numbers import Seconds
from ascmcu.cli.progress import Counted, counted
from ascmcu.errors import FeatureError
from ascmcu.features import spec as specs
from ascmcu.features.pcmspec import PcmSpec

if TYPE_CHECKING:
    from ascmcu.benchmark import parity
    from ascmcu.benchmark.parity import Equality, Parity
    from ascmcu.features.pcm import Pcm

# Two scores that are closer than this say nothing clear.
_CLEAR_PERCENT = 1.0


@click.group("features")
def command() -> None:
    """List, show and check the specifications of audio features."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(as_json: bool) -> None:
    """List the specifications that ship with ascmcu: whose features they are, memory, and cycles of a frame.

    Cycles are of one channel on nucleo-f446 at 180 MHz and its five wait states, on the cycle model; --json has those
    without wait states too.
    """
    from ascmcu.codegen.frontend import frontend_cost
    from ascmcu.features import measured

    rows = []
    for name in specs.names():
        spec = specs.load(name)
        cost = frontend_cost(spec)
        known = measured.of(name)
        rows.append(
            {
                "name": name,
                "sample_rate_hz": spec.sample_rate_hz,
                "channels": spec.channels,
                "n_fft": None if isinstance(spec, PcmSpec) else spec.n_fft,
                "hop_length": spec.hop_length,
                "n_mels": None if isinstance(spec, PcmSpec) else spec.n_mels,
                "shape": list(spec.shape),
                "streams": not spec.needs_whole_clip,
                "ram_bytes": cost.ram_bytes,
                "tables_bytes": cost.tables_bytes,
                "cycles": known and known.cycles,
                "cycles_at_5_wait_states": known and known.cycles_waiting,
                "equals": known and known.equals,
                "equal_percent": known and known.equal_percent,
            }
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(
        f"{'':26}{'rate':>8}{'FFT':>6}{'hop':>6}{'mel':>5}  {'shape':<16}{'RAM':>9}{'tables':>8}{'cycles':>9}  equals"
    )
    for row, name in zip(rows, specs.names(), strict=True):
        shape = " × ".join(map(str, specs.load(name).shape))
        held = "" if row["streams"] else "; holds the whole clip"
        cycles = f"{row['cycles_at_5_wait_states']:,}" if row["cycles_at_5_wait_states"] else "-"
        click.echo(
            f"{name:26}{row['sample_rate_hz']:>8}{row['n_fft'] or '-':>6}{row['hop_length']:>6}"
            f"{row['n_mels'] or '-':>5}  "
            f"{shape:<16}{row['ram_bytes']:>9}{row['tables_bytes']:>8}{cycles:>9}  {row['equals'] or '-'}{held}"
        )


@command.command("show")
@click.argument("name", shell_complete=completion.FEATURES)
@click.option("--toml", "as_toml", is_flag=True, help="Print a file to begin your own from.")
def show(name: str, as_toml: bool) -> None:
    """Print the fields of a specification as JSON. NAME is a name or a .toml file."""
    spec = specs.load(name)
    click.echo(specs.to_toml(spec).rstrip() if as_toml else json.dumps(spec.to_dict(), indent=2))


@command.command("check")
@click.argument("spec_names", metavar="[SPEC]...", nargs=-1, shell_complete=completion.FEATURES)
@click.option(
    "--spec",
    "names",
    multiple=True,
    shell_complete=completion.FEATURES,
    help="Same as SPEC: a name, a .toml file, or all. Can be repeated.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Check the specification inside this .tflite, and whether its predictions agree with both front ends.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FEATS.npy",
    help="Your own features of the same recordings, of shape (clips, rows, bins[, channels]): float, or int8 with "
    "--model.",
)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Recordings: a data set, a folder or a file.",
)
@click.option("--split", help="Use this part of the data, such as test or fold5.")
@click.option("--limit", type=click.IntRange(1), help="Use at most N recordings, evenly sampled.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def check(
    context: click.Context,
    spec_names: tuple[str, ...],
    names: tuple[str, ...],
    model: Path | None,
    reference: Path | None,
    data: Path,
    split: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Compare the generated C, run on this machine, with librosa or with features of your own.

    Features are quantized by their range over these recordings. If the specification needs the mean and deviation
    of a training set and has none, they are computed from these recordings. Exit status 1 if the difference exceeds
    0.01 dB, fewer than 99.9 % of the quantized values are equal, or a prediction differs whose two best scores are
    more than 1 % apart.

    --reference compares the generated C with your features instead; clips must be in the order of the data set. The
    report shows the differences by row and by bin, and the options that would reduce them. With --model it also lists
    the clips that get another class. Exit status 1 if a limit above is exceeded or a class differs.
    """
    names = (*spec_names, *names)
    if reference is not None and (len(names) > 1 or "all" in names or (not names and model is None)):
        raise click.UsageError("--reference goes with one SPEC or --model")
    if reference is None and bool(names) == (model is not None):
        raise click.UsageError("give either SPEC or --model")
    files = _recordings(data, split, limit)
    if reference is not None:
        from ascmcu.cli import reference as own

        context.exit(0 if own.check(next(iter(names), None), model, reference, files, as_json) else 1)
    if model is not None:
        context.exit(0 if _check_model(model, files, as_json) else 1)
    _refuse_models(names, data)
    wanted = specs.names() if "all" in names else names
    context.exit(0 if _check_specs(wanted, files, as_json) else 1)


def _refuse_models(names: Sequence[str], data: Path) -> None:
    """A model, or a run, stands where a specification is asked for."""
    for name in names:
        if Path(name).is_dir() or Path(name).suffix == ".tflite":
            raise FeatureError(
                "a model is no feature specification",
                where=name,
                hint=f"check the one inside it: ascmcu features check --model {_model_in(Path(name))} --data {data}",
            )


def _check_specs(names: Sequence[str], files: Sequence[Path], as_json: bool) -> bool:
    """Compare each specification's C with its definition, tell, and say whether all hold."""
    from ascmcu.benchmark import parity

    reports: dict[str, parity.Parity | parity.Equality] = {}
    for name in names:
        loaded = specs.load(name)
        clips = [_pcm(path, loaded) for path in files]
        with counted(f"comparing {name}", "clips") as progress:
            if isinstance(loaded, specs.FeatureSpec):
                reports[name] = _parity(loaded, clips, _of(progress, clips))
            else:
                reports[name] = parity.check_integers(loaded, clips, _of(progress, clips))
        if not as_json:
            first = sum(isinstance(report, parity.Parity) for report in reports.values()) == 1
            _tell(name, reports[name], first)
    if as_json:
        told = {n: {**dataclasses.asdict(report), "holds": report.holds} for n, report in reports.items()}
        click.echo(json.dumps(told, indent=2))
    return all(report.holds for report in reports.values())


def _parity(spec: specs.FeatureSpec, clips: Sequence[Pcm], progress: Callable[[int], None]) -> parity.Parity:
    """A specification of floats, fitted to these clips where it was fitted to none."""
    from ascmcu.benchmark import parity
    from ascmcu.features import extract

    features = [extract.extract(pcm, spec if spec.is_fitted else spec.unnormalized()) for pcm in clips]
    if not spec.is_fitted:
        spec = extract.fit(spec, features)
        features = [extract.normalize(x, spec) for x in features]
    return parity.check(spec, clips, parity.quantization_for(features), progress)


@command.command("fit")
@click.option(
    "--reference", type=click.Path(path_type=Path, dir_okay=False), metavar="FEATS.npy", required=True,
    help="Your own features of the recordings, (clips, rows, bins), in their order.",
)  # fmt: skip
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="The recordings: a folder, or one file."
)
@click.option("--split", help="Use this part of the data, such as test or fold5.")
@click.option(
    "--rate",
    "rate_hz",
    type=click.IntRange(4000, 96000),
    help="Rate of the features. [default: the recordings']",
)
@click.option(
    "--duration",
    "duration_s",
    type=Seconds(),
    help="Length of a clip, such as 1s. [default: the longest recording]",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the specification here."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def fit(
    context: click.Context, reference: Path, data: Path, split: str | None, rate_hz: int | None,
    duration_s: float | None, output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Find the specification that reproduces your own features, and say what remains."""
    from ascmcu.cli import reference as own

    context.exit(
        0 if own.fit(reference, _recordings(data, split, None), rate_hz, duration_s, output, as_json) else 1
    )


def _model_in(path: Path) -> Path:
    """A run's folder stands for the model in it."""
    return path / "model.tflite" if path.is_dir() else path


def _tell(name: str, report: Parity | Equality, first: bool) -> None:
    """The line of one specification; ``first``: with the head of the table, which those of floats have."""
    from ascmcu.benchmark.parity import Equality

    if isinstance(report, Equality):
        click.echo(
            f"{Path(name).stem:20}{report.clips:>6} clips, {report.equal} of {report.inputs} values equal "
            "to the integer reference"
        )
        return
    if first:
        click.echo(f"{'':20}{'clips':>6}{'max dB':>9}{'RMS dB':>10}{'above floor':>13}{'equal int8':>12}")
    above = 100 * report.values_above / report.values
    click.echo(
        f"{Path(name).stem:20}{report.clips:>6}{report.error_db_max:>9.5f}{report.error_db_rms:>10.6f}"
        f"{above:>12.2f}%{report.equal_percent:>11.4f}%{'' if report.holds else '  too far'}"
    )


def _check_model(model: Path, files: list[Path], as_json: bool) -> bool:
    """Parity of the model's own front end, and its predictions through both."""
    from ascmcu import api
    from ascmcu.benchmark import parity

    compiled = api.compile_model(model)
    spec = compiled.features if compiled.features is None else specs.log_mel(compiled.features, str(model))
    if spec is None:
        raise FeatureError("the model names no features", where=str(model), hint="check one with --spec NAME")
    x = compiled.source.tensors[compiled.source.inputs[0]]
    quantization = parity.Quantization(x.scale, x.zero_point, x.dtype.numpy.name)
    clips = [_pcm(path, spec) for path in files]
    with counted(f"comparing {model.name}", "clips") as progress:
        report = parity.check(spec, clips, quantization, _of(progress, clips))
    with counted("predicting", "clips") as progress:
        heard = parity.predictions(compiled.source, spec, clips, quantization, _of(progress, clips))
    differing = [(path.name, h) for path, h in zip(files, heard, strict=True) if not h.agree]
    clear = [name for name, h in differing if h.margin_percent > _CLEAR_PERCENT]
    if as_json:
        found = {name: round(h.margin_percent, 3) for name, h in differing}
        click.echo(
            json.dumps({**dataclasses.asdict(report), "holds": report.holds, "differing": found}, indent=2)
        )
    else:
        _tell(model.name, report, first=True)
        click.echo(f"{len(files) - len(differing)} of {len(files)} predictions alike")
        for name, h in differing:
            names = dict(enumerate(compiled.labels))
            best = [names.get(int(s.argmax()), int(s.argmax())) for s in (h.librosa, h.device)]
            click.echo(
                f"  {name}: {best[0]} with librosa, {best[1]} on the device; margin {h.margin_percent:.2f} %"
            )
    return report.holds and not clear


def _of(progress: Counted, clips: Sized) -> Callable[[int], None]:
    return lambda done: progress(done, len(clips))


def _recordings(data: Path, split: str | None, limit: int | None) -> list[Path]:
    files = [data] if _is_recording(data) else _flat(data) if split is None else []
    files = files or _listed(data, split)
    if limit is None or limit >= len(files):
        return files
    return [files[i * len(files) // limit] for i in range(limit)]


def _is_recording(data: Path) -> bool:
    from ascmcu.data import folders

    return data.is_file() and data.suffix.lower() in folders.SUFFIXES


def _flat(folder: Path) -> list[Path]:
    """The recordings of a folder that names no classes: features need none."""
    from ascmcu.data import layouts
    from ascmcu.data.listing import Columns

    if not folder.is_dir():
        return []
    listing = layouts.read(folder, Columns())
    return [] if listing.recordings or listing.missing else sorted(listing.tree.unlabelled)


def _listed(data: Path, split: str | None) -> list[Path]:
    """The recordings of a data set, or of one of its parts."""
    from ascmcu.benchmark.clips import part_name
    from ascmcu.data import datasets

    dataset = datasets.load(data)
    if split is not None:
        dataset = dataset.only([part_name(split, dataset.parts)])
    return [recording.path for recording in dataset.recordings]


def _pcm(path: Path, spec: specs.Spec) -> Pcm:
    from ascmcu.data import audio

    return audio.whole_pcm(path, spec)
