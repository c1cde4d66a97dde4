# SPDX-License-Identifier: Apache-2.0
"""``ascmcu quantize``: a float model becomes int8, dynamic-range or fp16, with a stated loss."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ascmcu import scratch as scratches
from ascmcu.cli.numbers import Real
from ascmcu.errors import InputError
from ascmcu.paths import check_output, save_whole, write_whole

if TYPE_CHECKING:
    from ascmcu.cli.progress import Staged
    from ascmcu.quantize.material import Material
    from ascmcu.quantize.routes import Options, Outcome
    from ascmcu.quantize.sensitivity import LayerSensitivity
    from ascmcu.quantize.source import Source
    from ascmcu.train.loop import Epoch
    from ascmcu.tune.formats import Work

_METHODS = ("minmax", "percentile", "mse", "entropy")


@click.command("quantize")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--to", "format", type=click.Choice(["int8", "dynamic", "fp16", "qat", "all"]), default="int8", show_default=True,
    help="int8: weights and activations. dynamic, fp16: int8 or half-precision weights, float32 activations. "
    "qat: int8 after fine-tuning. all: every format, compiled and compared.",
)  # fmt: skip
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Output file; with --to all, a folder. [default: MODEL_<format>.tflite, or MODEL's folder]",
)
@click.option("--data", type=click.Path(path_type=Path), help="Recordings for calibration and measurement.")
@click.option("--features", help="Feature specification: a name or a .toml file.")
@click.option(
    "--recipe",
    metavar="NAME",
    help="Recipe of the network: supplies its features, and its layers for an .h5 that has only weights.",
)
@click.option("--hold-out", metavar="PART", help="Measure on this part (fold) and calibrate on the others.")
@click.option(
    "--calibration", type=click.Path(path_type=Path),
    help="Inputs for calibration, instead of --data: .npy or .npz, float32, shape (clips, …).",
)  # fmt: skip
@click.option(
    "--calibrator", type=click.Choice(_METHODS), default="minmax", show_default=True,
    help="Method that chooses the ranges of activations.",
)  # fmt: skip
@click.option(
    "--percentile",
    type=Real(0, 100, min_open=True),
    default=99.99,
    show_default=True,
    help="Percentage of the values that the percentile calibrator keeps.",
)
@click.option(
    "--epochs", type=click.IntRange(1), help="Epochs of fine-tuning (qat), or of each training of --slim."
)
@click.option(
    "--learning-rate", type=Real(0, 1e6, min_open=True), help="Initial learning rate of fine-tuning (qat)."
)
@click.option(
    "--slim", type=click.IntRange(1), metavar="N", help="Prune channels to at most N parameters first."
)
@click.option(
    "--board", default="nucleo-f446", show_default=True, help="Board for the comparison of --to all."
)
@click.option(
    "--sensitivity",
    is_flag=True,
    help="Also report each layer's sensitivity: in the int8 model, and quantized alone.",
)
@click.option(
    "--limits",
    multiple=True,
    metavar="NAME",
    help="Fail if the result exceeds the limits of this challenge or board. Can be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    model: Path, format: str, output: Path | None, data: Path | None, features: str | None, recipe: str | None,
    hold_out: str | None, calibration: Path | None, calibrator: str, percentile: float, epochs: int | None,
    learning_rate: float | None, slim: int | None, board: str, sensitivity: bool, limits: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Convert MODEL to a smaller number format and measure the loss.

    MODEL is a .keras, a legacy .h5, a SavedModel folder, an .onnx, a .tflite (float, fp16 or dynamic-range), or the
    folder of a training run. With --data the result contains its features and labels, as after `ascmcu train`.
    --to all makes every format and writes a comparison to formats.html.
    """
    if not model.exists():
        raise InputError("no such model", where=str(model))
    if data is not None and calibration is not None:
        raise InputError(
            "--data and --calibration exclude each other", hint="give --data or --calibration, not both"
        )
    if format == "all" and sensitivity:
        raise InputError("--sensitivity needs a single format", hint="leave --to all out")
    from ascmcu import boards, zoo
    from ascmcu.cli.progress import staged
    from ascmcu.tune import limits as bounds

    bounds.check_names(limits)
    boards.load(board)
    read = [*(data, calibration), *(Path(name) for name in (features, recipe) if name)]
    target = _target(model, format, output, read)
    zoo.load_tensorflow()
    from ascmcu.quantize import material as materials
    from ascmcu.quantize import qat, routes
    from ascmcu.quantize import source as sources
    from ascmcu.tune import formats

    file, known = materials.recipe_of(model, recipe, hold_out)
    source = sources.load(file, known)
    if format in ("int8", "all") and data is None and calibration is None:
        raise InputError(
            "no calibration data", hint="give --data, with --features or --recipe; or --calibration"
        )
    if sensitivity and data is None and calibration is None:
        raise InputError("no data to measure the layers with", hint="give --data or --calibration")
    material = _material(source, known, data, features, calibration)
    if data is not None and material is not None and not source.labels:
        click.echo(f"note: {_unknown_order(material)}", err=True)
    for line in material.heard.lines() if material and material.heard else ():
        click.echo(f"note: {line}", err=True)
    options = routes.Options(calibrator, percentile, epochs, learning_rate)
    state = file.with_name("state-qat.npz")
    with staged() as say:
        if slim is not None:
            source = _slimmed(source, known, material, slim, epochs, file, say)
        if format == "all":
            assert material is not None
            work = formats.Work(source, material, known, board, data, limits, state)
            _compare(work, options, target, file, say, as_json)
            return

        def on_epoch(epoch: Epoch) -> None:
            say("fine-tuning", "epochs", epoch.epoch, epochs or qat.EPOCHS, f"loss {epoch.loss:.4f}")

        converted = routes.convert(source, format, material, options, known, on_epoch, state)
        _write(target, converted, limits)
        state.unlink(missing_ok=True)
        outcome = routes.measure(source, format, converted, material) if material else None
        layers = _sensitivity(source, material, calibrator, percentile, say) if sensitivity else ()
    if as_json:
        click.echo(json.dumps(_report(target, len(converted), outcome, layers), indent=2))
    else:
        _show(target, len(converted), outcome, layers)


def _unknown_order(material: Material) -> str:
    """What is said where the model does not name its classes."""
    if not material.labels:
        return "the model does not name its classes, and the result will not either: `ascmcu bench --labels FILE` does"
    named = ", ".join(f"{number} = {label}" for number, label in enumerate(material.labels))
    return f"the model does not name its classes: they are taken in the order of training, {named}"


def _target(model: Path, format: str, output: Path | None, read: Sequence[Path | None]) -> Path:
    """Where the result goes, which is tried before anything is computed; nothing that is ``read`` is replaced.

    Raises:
        InputError: it cannot go there.
    """
    from ascmcu.tune import formats

    inside = model / "model.keras" if (model / "model.keras").is_file() else model
    target = output or (
        inside.parent if format == "all" else inside.with_name(f"{inside.stem}_{format}.tflite")
    )
    folder = target if format == "all" else target.parent
    if format != "all":
        check_output(target, inside, *read)
        if target.exists() and not target.is_file():  # a pipe or a device
            return target
    elif target.exists() and not target.is_dir():
        raise InputError("the output cannot be written", where=str(target), expected="a folder")
    elif folder.parent.is_dir():
        folder.mkdir(exist_ok=True)
        for name in (*(f"{inside.stem}_{each}.tflite" for each in formats.FORMATS), formats.PAGE):
            check_output(target / name, inside, *read)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(
            "the output cannot be written", where=str(target), expected="a folder that can be written"
        )
    return target


def _compare(work: Work, options: Options, folder: Path, file: Path, say: Staged, as_json: bool) -> None:
    """Every format in turn; a table, and a page beside the formats' files."""
    from ascmcu.quantize import qat
    from ascmcu.tune import formats

    def on_epoch(epoch: Epoch) -> None:
        say("fine-tuning", "epochs", epoch.epoch, options.epochs or qat.EPOCHS, f"loss {epoch.loss:.4f}")

    wanted = formats.possible(work)
    made = []
    for number, format in enumerate(wanted):
        say("comparing", "formats", number, len(wanted), format)
        made.append(formats.measure(work, format, options, folder / f"{file.stem}_{format}.tflite", on_epoch))
    if work.state:
        work.state.unlink(missing_ok=True)
    page = folder / formats.PAGE
    write_whole(page, formats.html(file.parent.name or file.stem, made))
    if as_json:
        click.echo(json.dumps([formats.to_dict(done) for done in made], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    head = formats.columns(made)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, title in enumerate(head):
        table.add_column(title, justify="right" if number else "left", no_wrap=not number)
    for done in made:
        table.add_row(*formats.row(done, head))
    Console().print(table)
    click.echo(formats.verdict(made))
    click.echo(page)


def _material(
    source: Source, recipe: Any, data: Path | None, features: str | None, calibration: Path | None
) -> Material | None:
    from ascmcu.features import spec as specs
    from ascmcu.quantize import material as materials

    if calibration is not None:
        return materials.of_arrays(calibration)
    if data is None:
        return None
    if features is not None:
        return materials.of_features(specs.learned(specs.load(features), features), data, source.labels)
    if recipe is not None:
        return materials.of_recipe(recipe, data, source.labels)
    if source.features is not None:
        return materials.of_features(source.features, data, source.labels)
    raise InputError("the recordings' features are not known", hint="give --features or --recipe")


def _slimmed(
    source: Source,
    recipe: Any,
    material: Material | None,
    parameters: int,
    epochs: int | None,
    file: Path,
    say: Staged,
) -> Source:
    """The pruned and fine-tuned network, which also lies beside the model."""
    from ascmcu.quantize import slim
    from ascmcu.quantize import source as sources

    if source.keras is None or recipe is None or material is None or material.examples is None:
        raise InputError(
            "slimming needs a trained Keras model, its recipe and labelled recordings",
            hint="give a run's folder (runs/NAME) and --data",
        )
    each = epochs or slim.epochs_of(recipe)

    def on_epoch(phase: str, epoch: Epoch) -> None:
        say(f"training, {phase}", "epochs", epoch.epoch, each, f"loss {epoch.loss:.3f}")

    smaller = slim.slim(
        source.keras,
        recipe,
        material.examples,
        parameters,
        epochs=each,
        progress=on_epoch,
        states=file.parent,
    )
    target = file.with_name(f"{file.stem}_slim.keras")
    save_whole(target, smaller.save)
    for phase in slim.PHASES:
        slim.state_file(file.parent, phase).unlink(missing_ok=True)
    click.echo(f"{target}  {source.keras.count_params()} → {smaller.count_params()} parameters", err=True)
    return sources.of_keras(smaller)


def _write(target: Path, model: bytes, limits: tuple[str, ...]) -> None:
    """Checked in another place first: what breaks a limit is not left behind."""
    from ascmcu.tune import limits as bounds

    with scratches.folder() as scratch:
        part = scratch / target.name
        write_whole(part, model)
        bounds.require(part, limits)
    write_whole(target, model)


def _sensitivity(
    source: Source, material: Material | None, calibrator: str, percentile: float, say: Staged
) -> tuple[LayerSensitivity, ...]:
    from ascmcu.quantize import calibrate, sensitivity

    assert material is not None
    ranges = calibrate.ranges(source.tflite, material.train, calibrator, percentile)
    chosen = calibrate.evenly(material.test, sensitivity.CLIPS)
    targets = calibrate.evenly(material.targets, sensitivity.CLIPS).astype(int) if material.labelled else None

    def on_layer(done: int, total: int) -> None:
        say("measuring", "layers", done, total)

    return sensitivity.measure(source.tflite, ranges, chosen, targets, on_layer)


def _report(
    target: Path, size_bytes: int, outcome: Outcome | None, layers: tuple[LayerSensitivity, ...]
) -> dict[str, Any]:
    measured = {} if outcome is None else dataclasses.asdict(outcome)
    measured.pop("model", None)
    return {
        "model": str(target),
        "bytes": size_bytes,
        **measured,
        "layers": [dataclasses.asdict(layer) for layer in layers],
    }


def _show(
    target: Path, size_bytes: int, outcome: Outcome | None, layers: tuple[LayerSensitivity, ...]
) -> None:
    from ascmcu.quantize.sensitivity import CLIPS

    click.echo(f"{target}  {size_bytes} bytes")
    if outcome is not None:
        line = f"{outcome.agreement:.1%} of {outcome.clips} clips keep the float network's label"
        if outcome.accuracy is not None and outcome.float_accuracy is not None:
            line += f"; accuracy {outcome.accuracy:.1%}, float {outcome.float_accuracy:.1%}"
        click.echo(line if outcome.held_out else f"{line} (clips that also calibrated)")
    if layers:
        _show_layers(layers, min(outcome.clips if outcome else 0, CLIPS))


def _show_layers(layers: tuple[LayerSensitivity, ...], clips: int) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ascmcu.results.words import short_layer

    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, title in enumerate(("layer", "SQNR dB", "alone: answer dB", "same label", "accuracy")):
        table.add_column(title, justify="right" if number else "left", no_wrap=not number)
    for layer in layers:
        accuracy = "–" if layer.accuracy is None else f"{layer.accuracy:.1%}"
        row = (f"{layer.sqnr_db:.1f}", f"{layer.alone_db:.1f}", f"{layer.agreement:.1%}", accuracy)
        table.add_row(escape(short_layer(layer.layer)), *row)
    worst = min(layers, key=lambda layer: (layer.agreement, layer.alone_db))
    console = Console()
    console.print(table)
    console.print(
        f"on {clips} clips; the answer suffers most from {escape(short_layer(worst.layer))}", highlight=False
    )
