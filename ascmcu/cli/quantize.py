"""``ascmcu quantize``: a float model becomes int8."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from ascmcu import zoo
from ascmcu.data import cache, datasets
from ascmcu.errors import DataError, InputError
from ascmcu.features import extract
from ascmcu.features import spec as specs


@click.command("quantize")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Default: MODEL with the suffix .tflite."
)
@click.option("--data", type=click.Path(path_type=Path), help="Recordings to calibrate on; needs --features.")
@click.option("--features", "features", help="Feature specification: a name or a .toml file.")
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Inputs to calibrate on: .npy or .npz, float32 (clips, …).",
)
def command(
    model: Path, output: Path | None, data: Path | None, features: str | None, calibration: Path | None
) -> None:
    """Convert MODEL (.keras) to int8 weights and activations, calibrated on real inputs.

    With --data the result carries its features and labels, as `ascmcu train` writes them.
    """
    if (data is None) == (calibration is None) or (data is not None and features is None):
        raise InputError("nothing to calibrate on", hint="give --data and --features, or --calibration")
    if not model.is_file():
        raise InputError("no such model", where=str(model))
    spec = specs.load(features) if features else None
    labels: tuple[str, ...] = ()
    if data is not None and spec is not None:
        dataset = datasets.load(data)
        labels = dataset.labels
        raw = cache.features(dataset, spec)
        if spec.normalization == "mean_std":
            spec = spec if spec.is_fitted else extract.fit(spec, raw)
            raw = np.stack([extract.normalize(clip, spec) for clip in raw])
        inputs = extract.to_input(raw, spec)
    else:
        inputs = _load(Path(str(calibration)))
    zoo.load_tensorflow()
    from ascmcu.quantize import metadata, ptq

    converted = ptq.int8(ptq.load(model), inputs)
    if spec is not None:
        converted = metadata.embedded(converted, spec, labels)
    target = output or model.with_suffix(".tflite")
    target.write_bytes(converted)
    click.echo(f"{target}  {len(converted)} bytes")


def _load(path: Path) -> np.ndarray:
    try:
        loaded = np.load(path)
        return np.asarray(loaded if path.suffix == ".npy" else loaded[loaded.files[0]], np.float32)
    except (OSError, ValueError, IndexError) as error:
        raise DataError("cannot read the calibration data", where=str(path), found=str(error)) from error
