# SPDX-License-Identifier: Apache-2.0
"""One training run: recipe and data set in, ``runs/<name>/`` out, with everything needed to repeat it."""

from __future__ import annotations

import dataclasses
import functools
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import ascmcu
from ascmcu import paths, zoo
from ascmcu.data import cache, datasets, intake, windows
from ascmcu.data import variation as variations
from ascmcu.data.datasets import Dataset
from ascmcu.data.found import Intake, Long
from ascmcu.data.scores import Scores
from ascmcu.errors import DataError
from ascmcu.features import extract
from ascmcu.features.spec import Learned
from ascmcu.train import checkpoint, distill, ensemble, examples, fusion, judging, loop, plots, start
from ascmcu.train import folder as run_folder
from ascmcu.train.examples import Examples, Inputs
from ascmcu.train.history import History, Log
from ascmcu.train.judging import Judged
from ascmcu.train.loop import Epoch, Plan
from ascmcu.train.losses import Objective, Stage
from ascmcu.train.part import Part
from ascmcu.train.recipe import Parts, Recipe
from ascmcu.train.step import Hint
from ascmcu.version import commit
from ascmcu.zoo import _branches as branches


@dataclass(frozen=True)
class Run:
    """A finished training: the float model, what it was trained on, and where its files are."""

    folder: Path
    model: keras.Model
    features: Learned
    train: Part
    test: Part | None
    scores: Judged | None
    heard: Intake
    task: str = "single_label"

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes in the order of the outputs; none of a network that reconstructs."""
        return () if self.task == "reconstruction" else self.train.dataset.labels


def train(
    recipe: Recipe,
    dataset: Dataset,
    folder: Path,
    *,
    on_recordings: cache.Progress = lambda done, total: None,
    on_features: cache.Progress = lambda done, total: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Run:
    """Train by a recipe and write recipe.json, history.csv, model.keras, metrics.json and the plots to ``folder``.

    While it runs, ``progress.csv`` and ``progress.png`` hold the history so far. Two runs of one recipe on one
    machine give the same weights, also when one of them was cut off and begun again: its state lies in ``folder``
    until the end.

    Raises:
        DataError: the data set lacks a part that the recipe names, or recordings cannot be used.
    """
    if not recipe.data.train:
        raise DataError("the recipe names no part to train on", expected=", ".join(dataset.parts))
    _refuse_early(recipe, dataset, folder)
    heard = examine(recipe, dataset, on_recordings)
    keras.utils.set_random_seed(recipe.training.seed)
    tf.config.experimental.enable_op_determinism()
    if recipe.fusion.runs:
        recipe = dataclasses.replace(recipe, features=fusion.members(recipe)[0].features)
    features, parts = prepare(recipe, dataset, on_features)
    recipe = dataclasses.replace(recipe, features=features)
    name = identity(recipe, dataset)
    started = time.perf_counter()
    history = History(recipe.training)
    if recipe.fusion.runs:
        whole = fusion.build(recipe, parts)
        seconds = time.perf_counter() - started
    else:
        job = _Job(recipe, features, dataset, parts, folder, name)
        whole, history, seconds = _trained(job, on_epoch)
    return _written(recipe, name, dataset, parts, folder, whole, history, seconds, heard)


def is_finished(recipe: Recipe, dataset: Dataset, folder: Path) -> bool:
    """Whether the folder holds the quantized model of this very training: one whose features are fitted."""
    try:
        told = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (folder / "model.tflite").is_file() and told.get("identity") == identity(recipe, dataset)


def examine(recipe: Recipe, dataset: Dataset, progress: cache.Progress = lambda done, total: None) -> Intake:
    """Read every recording of the recipe's parts once; a longer one is heard as ``[data] long`` says.

    Raises:
        DataError: some cannot be used.
    """
    used = _used(recipe, dataset)
    files = [recording.path for recording in used.recordings]
    return intake.require(files, recipe.features, dataset.root, _long(recipe), progress)[0]


def _long(recipe: Recipe) -> Long:
    return "windows" if recipe.data.long == "windows" else "first"


def _refuse_early(recipe: Recipe, dataset: Dataset, folder: Path) -> None:
    """What cannot be built or found is told before features are extracted, which may take hours."""
    _dealt(recipe.data, dataset)
    _refuse_task(recipe, dataset)
    if recipe.variation.responses:
        variations.response_files(Path(recipe.variation.responses))
    for needed in (*recipe.teacher.runs, *recipe.fusion.runs):
        run_folder.network(Path(needed))
    if not recipe.fusion.runs:
        _Job(recipe, recipe.features, dataset, {}, Path()).built(
            recipe.features.input_shape[1:], recipe.network.options
        )
    if recipe.start.run:
        start.check(Path(recipe.start.run), dataset, folder)


def _refuse_task(recipe: Recipe, dataset: Dataset) -> None:
    """A recipe and a data set that are of different tasks."""
    task = recipe.training.task
    strange = [name for name in recipe.data.only if name not in dataset.labels]
    if strange:
        raise DataError(
            "the data set has no such class",
            where="[data] only",
            expected=", ".join(dataset.labels),
            found=", ".join(strange),
        )
    if task != "reconstruction" and dataset.multi_label != (task == "multi_label"):
        raise DataError(
            "the data set is multi-label: recordings have several classes"
            if dataset.multi_label
            else "the recipe is for several classes a recording, and the data set has one",
            where=str(dataset.root),
            expected=f"the task of the recipe, {task}",
            hint="--set training.task=multi_label"
            if dataset.multi_label
            else "a table's column `labels` holds several classes, with commas between them",
        )


def identity(recipe: Recipe, dataset: Dataset) -> str:
    """What a training's result depends on, as a name: the recipe, the recordings, the weights that it starts from."""
    devices = bool(recipe.data.devices)
    listed = [[r.path.name, r.label, r.part, *[r.device] * devices] for r in dataset.recordings]
    begun = [start.digest(Path(recipe.start.run))] if recipe.start.run else []
    return checkpoint.digest([recipe.to_dict(), listed, *begun])


@dataclass(frozen=True)
class _Job:
    """``name`` is the training's ``identity``, which its state belongs to."""

    recipe: Recipe
    features: Learned
    dataset: Dataset
    parts: dict[str, Part]
    folder: Path
    name: str = ""

    def built(self, shape: tuple[int, ...], options: dict[str, Any]) -> keras.Model:
        recipe = self.recipe
        groups = {"groups": len(recipe.heads.groups)} if recipe.heads.groups else {}
        classes = len(self.dataset.labels)
        return zoo.build(recipe.network.name, shape, classes, {**groups, **options}, recipe.training.task)


def _trained(job: _Job, on_epoch: Callable[[Epoch], None]) -> tuple[keras.Model, History, float]:
    """The network with all its classifiers, after every stage; the history; the seconds of all epochs."""
    recipe = job.recipe
    shape = job.features.input_shape[1:]
    whole = job.built(shape, recipe.network.options)
    seconds = 0.0
    if recipe.start.run:
        start.give_weights(Path(recipe.start.run), whole)
    elif recipe.network.name in ensemble.NETWORKS:
        seconds = ensemble.members(whole, job.parts, recipe, job.folder, job.name, on_epoch)
    cropped = None
    if recipe.augment.crop_rows:
        rows = recipe.augment.crop_rows
        crop = (rows, *shape[1:]) if job.features.layout == "time_mel" else (shape[0], rows, *shape[2:])
        cropped = job.built(crop, recipe.network.options)
    teachers = [distill.load(Path(run)) for run in recipe.teacher.runs]
    train = job.parts["train"]
    if teachers:
        both = bool(recipe.heads.groups) and recipe.teacher.heads == "all"
        told = distill.answers(teachers, train.dataset, groups=both)
        train = dataclasses.replace(train, examples=dataclasses.replace(train.examples, answers=told))
    history = History(recipe.training)
    log = Log(job.folder)
    for number, objective in enumerate(_objectives(job)):
        stage = objective.stage
        hint = None
        if stage and stage.kind == "hint":
            hint = Hint.between(cropped or whole, teachers[0].model, recipe.teacher.hint)
        plan = Plan(
            recipe.augment,
            recipe.training,
            objective,
            cropped,
            hint,
            job.folder / f"state{number + 1}.npz",
            f"{job.name} {number}",
        )
        validate = job.parts["validate"].examples if "validate" in job.parts and not hint else None
        watch = functools.partial(log, history)
        history = history.followed_by(loop.fit(whole, train.examples, validate, plan, on_epoch, watch))
    return whole, history, seconds + sum(epoch.seconds for epoch in history.epochs)


def _objectives(job: _Job) -> list[Objective]:
    """The loss of every stage; one stage without teachers."""
    recipe = job.recipe
    groups = examples.grouped(job.dataset.labels, recipe.heads.groups) if recipe.heads.groups else None
    alone = Objective(
        len(job.dataset.labels), groups, recipe.heads, recipe.teacher, recipe.training.label_smoothing,
        task=recipe.training.task,
    )  # fmt: skip
    if not recipe.teacher.runs:
        return [alone]
    kinds = recipe.teacher.stages
    weights = recipe.teacher.weight * (len(kinds) if len(recipe.teacher.weight) == 1 else 1)
    stages = [Stage(kind, weight) for kind, weight in zip(kinds, weights, strict=True)]
    return [dataclasses.replace(alone, stage=stage) for stage in stages]


def _written(
    recipe: Recipe,
    name: str,
    dataset: Dataset,
    parts: dict[str, Part],
    folder: Path,
    whole: keras.Model,
    history: History,
    seconds: float,
    heard: Intake,
) -> Run:
    """The run's files; what is exported later has the classes' classifier alone."""
    folder.mkdir(parents=True, exist_ok=True)
    model = whole
    if len(whole.outputs) > 1:
        model = keras.Model(whole.inputs, whole.outputs[0], name=whole.name)
        paths.save_whole(folder / "heads.keras", whole.save)
    test = parts.get("test")
    task = recipe.training.task
    scores = judging.judge(test, loop.probabilities(model, test.examples.x), task) if test else None
    # A model.tflite of an earlier run is not this network's: none is better until this one is quantized.
    (folder / "model.tflite").unlink(missing_ok=True)
    paths.save_whole(folder / "model.keras", model.save)
    write_json(folder / run_folder.RECIPE, recipe.to_dict())
    metrics = _metrics(model, dataset, history, seconds, scores, heard)
    write_json(folder / "metrics.json", {"task": task, "identity": name, **metrics})
    if history.epochs:
        history.write(folder / "history.csv")
        plots.curves(history, folder / "curves.png")
    if isinstance(scores, Scores):
        plots.confusions({"float": scores}, dataset.labels, folder / "confusion.png")
    for passing in (*folder.glob("state*.npz"), *folder.glob("progress.*")):
        passing.unlink()
    return Run(folder, model, recipe.features, parts["train"], test, scores, heard, task)


def prepare(
    recipe: Recipe, dataset: Dataset, on_features: cache.Progress = lambda done, total: None
) -> tuple[Learned, dict[str, Part]]:
    """The fitted feature specification and the parts train, validate, test, as far as the recipe has them."""
    chosen = _dealt(recipe.data, dataset)
    used = _used(recipe, dataset)
    if recipe.data.long == "windows":
        used = windows.cut(used, recipe.features)
        chosen = {name: windows.cut(part, recipe.features) for name, part in chosen.items()}
    form = examples.cached(recipe.features)
    raw = cache.features(used, form, on_features)
    row = {(r.path, r.start_s): number for number, r in enumerate(used.recordings)}
    rows = {
        name: np.array([row[r.path, r.start_s] for r in part.recordings]) for name, part in chosen.items()
    }
    spec = recipe.features
    if not spec.is_fitted:
        spec = extract.fit(spec, (raw[number] for number in rows["train"]))
    time_axis = 1 if spec.layout == "time_mel" else 2
    parts = {}
    for name, part in chosen.items():
        inputs = Inputs(raw, rows[name], spec)
        parts[name] = Part(part, Examples(inputs, part.targets(), time_axis))
    if "train" in parts:
        varied = [
            cache.features(
                used, form, on_features, variation=recipe.variation, version=version, rows=rows["train"]
            )
            for version in range(1, recipe.variation.versions + 1)
        ]
        versions = tuple(Inputs(table, rows["train"], spec) for table in varied)
        parts["train"] = _with_devices(recipe, parts["train"], versions)
    return spec, parts


def _with_devices(recipe: Recipe, train: Part, versions: tuple[Inputs, ...]) -> Part:
    learned = dataclasses.replace(train.examples, versions=versions)
    if recipe.augment.device_shift:
        assert isinstance(learned.inputs, Inputs)
        responses, reference = examples.device_responses(
            train.dataset, learned.inputs, recipe.augment.reference_device
        )
        learned = dataclasses.replace(learned, responses=responses, is_reference=reference)
    return dataclasses.replace(train, examples=learned)


def _used(recipe: Recipe, dataset: Dataset) -> Dataset:
    return dataset.only([part for names in _names(recipe.data).values() for part in names])


def _names(parts: Parts) -> dict[str, tuple[str, ...]]:
    return {"train": parts.train, "validate": parts.validate, "test": parts.test}


def _dealt(parts: Parts, dataset: Dataset) -> dict[str, Dataset]:
    """The recordings of train, validate and test, as far as there are any."""
    chosen = {name: dataset.only(names) for name, names in _names(parts).items() if names}
    if parts.devices:
        chosen = {name: _of_devices(part, name, parts.devices) for name, part in chosen.items()}
    if parts.only:
        chosen |= {name: _of_classes(chosen[name], parts.only) for name in chosen if name != "test"}
    if parts.validate_share and "validate" not in chosen:
        shares = {"train": 1 - parts.validate_share, "validate": parts.validate_share}
        learned = dataclasses.replace(chosen["train"], labels=parts.only or dataset.labels)
        dealt = dataclasses.replace(datasets.split(learned, shares, parts.split_seed), labels=dataset.labels)
        chosen |= {name: dealt.only([name]) for name in shares}
    return chosen


def _of_devices(dataset: Dataset, part: str, devices: tuple[str, ...]) -> Dataset:
    try:
        return dataset.of_devices(devices)
    except DataError as error:
        error.where = f"[data] devices, {part} part of {error.where}"
        raise


def _of_classes(dataset: Dataset, classes: tuple[str, ...]) -> Dataset:
    """The recordings of some classes, with all the labels."""
    kept = tuple(r for r in dataset.recordings if any(name in classes for name in r.classes))
    return dataclasses.replace(dataset, recordings=kept)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON with a last newline."""
    paths.write_whole(path, json.dumps(content, indent=2) + "\n")


def devices() -> list[str]:
    """What TensorFlow computes on: its GPUs where it sees any, else the processor."""
    found = tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("CPU")
    names = [tf.config.experimental.get_device_details(device).get("device_name") for device in found]
    return [name or device.device_type for name, device in zip(names, found, strict=True)]


def _metrics(
    model: keras.Model,
    dataset: Dataset,
    history: History,
    seconds: float,
    scores: Judged | None,
    heard: Intake,
) -> dict[str, Any]:
    return {
        "labels": list(dataset.labels),
        "recordings": dataclasses.asdict(heard),
        "parameters": branches.folded(model).count_params(),
        "epochs": len(history.epochs),
        "training_seconds": round(seconds, 1),
        "examples_per_second": round(float(np.median([e.examples_per_second for e in history.epochs])), 1)
        if history.epochs
        else None,
        "float": dataclasses.asdict(scores) if scores else None,
        "made_with": {
            "ascmcu": ascmcu.__version__,
            "commit": commit() or None,
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "machine": platform.machine(),
            "trained_on": devices(),
        },
    }
