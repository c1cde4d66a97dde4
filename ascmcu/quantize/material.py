# SPDX-License-Identifier: Apache-2.0
"""The data of a quantization: calibration inputs and a part to measure on."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.data import cache, datasets, intake, words
from ascmcu.data.found import Intake
from ascmcu.data.labels import listed
from ascmcu.errors import DataError, InputError, why
from ascmcu.features import extract
from ascmcu.features.spec import Learned
from ascmcu.train import recipe as recipes
from ascmcu.train import run as training
from ascmcu.train.recipe import Recipe

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """Normalised inputs in the network's layout, float32 (clips, *input shape); arrays, or what is indexed like them.

    Attributes:
        train: calibrates.
        test: measures; the same clips as ``train`` where there are no others.
        targets: the classes of ``test``.
        features, labels: what the inputs are; None and nothing for bare arrays.
        labelled: whether the classes are the network's, so that accuracy means something.
        held_out: whether ``test`` had no part in training.
        examples: the training part as the training loop takes it, for fine-tuning.
        heard: what reading the recordings found; None for bare arrays.
    """

    train: Any
    test: Any
    targets: npt.NDArray[np.int64]
    features: Learned | None = None
    labels: tuple[str, ...] = ()
    labelled: bool = False
    held_out: bool = False
    examples: Any = None
    heard: Intake | None = None


def recipe_of(model: Path, name: str | None, hold_out: str | None) -> tuple[Path, Recipe | None]:
    """The model file and the recipe, where there is one: a run's folder stands for its ``model.keras``.

    Raises:
        InputError: no such recipe, or a folder whose recipe cannot be read.
    """
    recipe = recipes.load(name) if name else None
    if model.is_dir() and (model / "model.keras").is_file():
        model = model / "model.keras"
    beside = model.parent / "recipe.json"
    if recipe is None and model.suffix in (".keras", ".h5") and beside.is_file():
        try:
            recipe = Recipe.from_dict(json.loads(beside.read_text(encoding="utf-8")), str(beside))
        except ValueError as error:
            raise InputError(
                "the run's recipe cannot be read", where=str(beside), found=str(error)
            ) from error
    if recipe is not None and hold_out is not None:
        recipe = dataclasses.replace(recipe, data=recipes.Parts(train=(), test=(hold_out,)))
    return model, recipe


def of_recipe(recipe: Recipe, data: Path, labels: tuple[str, ...] = ()) -> Material:
    """The parts that the recipe names; a recipe that only names a test part trains on all others.

    Args:
        recipe: of the network.
        data: what it was trained on.
        labels: the network's classes, where they are known; else the data's are taken for them, as training does.

    Raises:
        DataError: the data set lacks a part, has other classes than the network, or recordings cannot be used.
    """
    dataset = words.of_recipe(datasets.load(data), recipe.data.classes)
    if labels and labels != dataset.labels:
        raise DataError(
            "the data set's classes are not the network's",
            where=str(data),
            expected=listed(labels),
            found=listed(dataset.labels),
            hint="give the data that the network was trained on",
        )
    if not recipe.data.train:
        held_out = {dataset.part(name) for name in recipe.data.test}
        others = tuple(part for part in dataset.parts if part not in held_out)
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, train=others))
    heard = training.examine(recipe, dataset)
    features, parts = training.prepare(recipe, dataset)
    train = parts["train"].examples
    test = parts["test"].examples if "test" in parts else train
    single = recipe.training.task == "single_label"  # else no class of a clip is the right one
    named = () if recipe.training.task == "reconstruction" else dataset.labels
    return Material(train.x, test.x, test.y, features, named, single, "test" in parts, train, heard)


def of_features(spec: Learned, data: Path, labels: tuple[str, ...] = ()) -> Material:
    """All recordings.

    Args:
        spec: of the network's input.
        data: the recordings.
        labels: the network's classes in the order of its outputs. Where they are not known, nothing is said of the
            order: the material has no labels, and accuracy means nothing.

    Raises:
        DataError: recordings cannot be used.
    """
    dataset = datasets.load(data)
    heard, _ = intake.require([r.path for r in dataset.recordings], spec, dataset.root)
    raw = cache.features(dataset, spec)
    if spec.normalization == "mean_std":
        spec = spec if spec.is_fitted else extract.fit(spec, raw)
        raw = np.stack([extract.normalize(clip, spec) for clip in raw])
    x = np.ascontiguousarray(extract.to_input(raw, spec), np.float32)
    if not labels:
        return Material(x, x, dataset.targets(), spec, heard=heard)
    targets = np.array([labels.index(r.label) if r.label in labels else -1 for r in dataset.recordings])
    return Material(x, x, targets, spec, labels, bool((targets >= 0).all()), heard=heard)


def of_arrays(path: Path) -> Material:
    """Inputs from a ``.npy`` or the first array of a ``.npz``.

    Raises:
        DataError: the file holds no such array.
    """
    try:
        with path.open("rb") as file:
            loaded = np.load(file)
            if isinstance(loaded, np.lib.npyio.NpzFile):
                if not loaded.files:
                    raise ValueError("the archive holds no arrays")
                loaded = loaded[loaded.files[0]]
            x = np.asarray(loaded, np.float32)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError("cannot read the calibration data", where=str(path), found=why(error)) from error
    return Material(x, x, np.zeros(len(x), np.int64))
