# SPDX-License-Identifier: Apache-2.0
"""A recipe: all settings of a training run, as one TOML file.

``[data]`` says which parts of the data set are for what, ``[features]`` holds the fields of a FeatureSpec (or
``spec``, the name of one, and the fields that differ), ``[network]`` names a file of ``zoo/`` and its options,
``[variation]`` how recordings are varied before their features are taken, ``[augment]`` how features are varied
anew in every epoch, ``[training]`` the optimiser and its schedule, ``[heads]`` a second classifier of groups of
classes, ``[teacher]`` what the network learns from beside the labels, ``[start]`` the run whose weights are trained on.
``[fusion]`` stands in place of ``[network]``: trained networks become one.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ascmcu import paths, tables
from ascmcu.data.variation import Variation
from ascmcu.errors import InputError, near
from ascmcu.features import spec as specs
from ascmcu.features.spec import FeatureSpec, Learned
from ascmcu.train import folder as run_folder
from ascmcu.train.recipe_checks import CHECKS


@dataclass(frozen=True)
class Parts:
    """The parts (folds, official splits) of the data set that each step sees.

    With nothing to validate on, the last epoch's weights are kept; the test part never chooses anything.

    Args:
        validate_share: with no ``validate``, this share of the training part's places (recordings, where no
            places are known) is taken out of it, class by class, to validate on.
        split_seed: of that choice.
        classes: these of the data set's classes alone, with ``unknown`` for all others and ``silence`` cut from its
            background noise (``data.words``); all where there are none.
        long: of a recording that is longer than the clip, ``first`` takes its beginning, ``windows`` clips side by
            side; its scores are then the means of its clips', as `ascmcu bench --long windows` has them.
        only: only recordings of these classes are trained and validated on; all where there are none.
        devices: only recordings of these devices, in every part; all where there are none.
    """

    train: tuple[str, ...]
    validate: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    validate_share: float = 0.0
    split_seed: int = 1
    classes: tuple[str, ...] = ()
    long: str = "first"
    only: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """A network of ``ascmcu.zoo`` and the options of its ``build``."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Augment:
    """What happens to a training example; zero leaves a step out.

    Args:
        mixup_alpha: pairs are mixed with λ ~ Beta(α, α) (Zhang et al. 2018).
        mixup_per_batch: one λ per batch in place of one per example.
        mixup_half_from: from this epoch on only the first half of a batch is mixed; 0 never.
        mixup_energy: clips are mixed as sounds: their energies add, not their logarithms, and the louder one
            is turned down to the loudness of the other (between-class learning, Tokozume et al. 2018).
        time_roll: the clip is rotated in time by a random amount.
        crop_rows: so many rows, from a random one on, are what the network is trained on.
        time_mask_rows, freq_mask_bands: the widest SpecAugment mask (Park et al. 2019); its fill is zero, the
            mean of normalised features.
        time_masks, freq_masks: masks per example.
        mask_per_channel: every channel has masks of its own.
        swap_stereo: with a chance of one half, the left and right channels (and their deltas) are exchanged.
        gain_std: a random level: σ of a constant added to the normalised features of a whole clip.
        tilt_std: a random colour: σ of a slope over the bands, ±σ at the edges.
        response_std: a random microphone: σ of a smooth curve over the bands, in normalised features.
        device_shift: the chance that a clip of the reference device gets another device's response, as
            measured on the training recordings that both devices made (spectrum correction).
        reference_device: that device.
        mixstyle_alpha: the bands' statistics are mixed between clips with λ ~ Beta(α, α) (freq-MixStyle,
            Schmid et al. 2022).
        mixstyle_chance: of a batch to be treated so.
    """

    mixup_alpha: float = 0.0
    mixup_per_batch: bool = False
    mixup_half_from: int = 0
    mixup_energy: bool = False
    time_roll: bool = False
    crop_rows: int = 0
    time_mask_rows: int = 0
    time_masks: int = 1
    freq_mask_bands: int = 0
    freq_masks: int = 1
    mask_per_channel: bool = False
    swap_stereo: bool = False
    gain_std: float = 0.0
    tilt_std: float = 0.0
    response_std: float = 0.0
    device_shift: float = 0.0
    reference_device: str = "a"
    mixstyle_alpha: float = 0.0
    mixstyle_chance: float = 0.5


@dataclass(frozen=True)
class Training:
    """Task, optimiser and schedule.

    Args:
        task: ``single_label`` (one class of many: softmax, cross-entropy), ``multi_label`` (any of them: sigmoids,
            binary cross-entropy), or ``reconstruction`` (the input itself: mean squared error, for anomaly detection).
        optimizer: ``adam`` (decoupled weight decay), ``radam`` (Liu et al. 2020), or ``sgd`` (momentum 0.9).
        learning_rate: its peak, after ``warmup_epochs`` of linear rise from ``warmup_rate``; then half a cosine
            down to ``final_rate``.
        restart_epochs: after so many epochs the rate jumps back to its peak and falls again (SGDR, Loshchilov
            and Hutter 2017).
        rate_per_epoch: the rate changes between epochs only.
        balance: every epoch shows all classes equally often: recordings of the rarer ones are repeated.
        average: decay per step of the weights' moving average that is kept in the end; 0 keeps the weights.
        snapshot_from, snapshot_every: from that epoch on, every so many epochs, the weights join a mean that is
            kept in the end (stochastic weight averaging, Izmailov et al. 2018).
        snapshot_epochs: the same for weights of exactly these epochs, such as the ends of cosine cycles.
        renew_statistics: the normalisations' statistics are taken anew, over the training examples, for
            averaged weights.
        early_stop_epochs: stop when the validation score has not risen for so long; 0 never stops.
    """

    task: str = "single_label"
    epochs: int = 50
    batch: int = 32
    optimizer: str = "adam"
    learning_rate: float = 2e-3
    final_rate: float = 0.0
    warmup_epochs: int = 2
    warmup_rate: float = 0.0
    restart_epochs: tuple[int, ...] = ()
    rate_per_epoch: bool = False
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    balance: bool = False
    average: float = 0.0
    snapshot_from: int = 0
    snapshot_every: int = 1
    snapshot_epochs: tuple[int, ...] = ()
    renew_statistics: bool = False
    early_stop_epochs: int = 0
    seed: int = 1

    @property
    def averages_snapshots(self) -> bool:
        """Whether weights of several epochs make the final ones."""
        return bool(self.snapshot_from or self.snapshot_epochs)

    def is_snapshot(self, epoch: int) -> bool:
        """Whether the weights after this epoch, from 1, are one of them."""
        within = self.snapshot_from and epoch >= self.snapshot_from
        return epoch in self.snapshot_epochs or bool(
            within and (epoch - self.snapshot_from) % self.snapshot_every == 0
        )


@dataclass(frozen=True)
class Heads:
    """A second classifier, of groups of classes, that is trained along and not exported.

    Args:
        groups: group → the classes in it. Without groups there is one classifier.
        weights: of the classes' and of the groups' loss.
        surgery: conflicting gradients are projected onto each other's normal plane and averaged (PCGrad, Yu et
            al. 2020), in place of a weighted sum.
    """

    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    weights: tuple[float, ...] = (1.0, 1.0)
    surgery: bool = False


@dataclass(frozen=True)
class Teacher:
    """What the network learns from trained ones. No runs: from the labels alone.

    Args:
        runs: folders of the teachers; of several, the mean of the probabilities teaches.
        stages: what is imitated, one stage of ``[training]`` each: ``response`` (the probabilities),
            ``relation`` (distances and angles between the answers of a batch, Park et al. 2019), ``both``, or
            ``hint`` (a feature map of the first teacher, through a 1 × 1 convolution, Romero et al. 2015).
        weight: of the imitation in the loss; the labels have the rest. One, or one for each stage.
        temperature: both sides' probabilities are softened by it.
        kind: ``kl`` (Kullback-Leibler) or ``ce`` (cross-entropy against the teacher's probabilities).
        response_scale, relation_scale: factors of the two losses, beside the weight.
        square_temperature: the response's loss is multiplied by the squared temperature, as Hinton et al. 2015 do.
        double_softmax: the softening takes the probabilities for logits, as AI4EDGE did.
        heads: the teacher's answers replace the labels of the classes alone (``classes``) or of both (``all``).
        hint: the network's layer and the teacher's layer.
    """

    runs: tuple[str, ...] = ()
    stages: tuple[str, ...] = ("response",)
    weight: tuple[float, ...] = (0.9,)
    temperature: float = 1.0
    kind: str = "kl"
    response_scale: float = 1.0
    relation_scale: float = 1.0
    square_temperature: bool = False
    double_softmax: bool = False
    heads: str = "classes"
    hint: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """What the training begins with.

    Args:
        run: folder of a finished run: its weights are trained on, with its network, features, groups and task.
            Empty: fresh weights.
    """

    run: str = ""


@dataclass(frozen=True)
class Fusion:
    """Trained networks that answer as one.

    Args:
        runs: folders of the members; their features must be the same.
        rule: ``average`` of the probabilities, or ``logistic``: a regression on all of them.
        penalty: of the regression: the inverse of its L2 term's weight.
    """

    runs: tuple[str, ...] = ()
    rule: str = "average"
    penalty: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """A whole training run; ``features`` has no normalisation yet, that is measured on the training part."""

    name: str
    description: str
    data: Parts
    features: Learned
    network: Network
    variation: Variation
    augment: Augment
    training: Training
    heads: Heads = Heads()
    teacher: Teacher = Teacher()
    fusion: Fusion = Fusion()
    start: Start = Start()

    def sections(self) -> dict[str, Any]:
        """The tables beside ``[features]`` and ``[network]``, by name."""
        return {name: getattr(self, name) for name in _SECTIONS}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``from_dict`` takes them."""
        sections = {name: dataclasses.asdict(section) for name, section in self.sections().items()}
        return {
            "name": self.name,
            "description": self.description,
            "features": self.features.to_dict(),
            "network": {"name": self.network.name, **self.network.options},
            **sections,
        }

    @staticmethod
    def from_dict(raw: dict[str, Any], where: str) -> Recipe:
        """Check and take over plain values.

        Raises:
            InputError: a key is unknown, missing or of the wrong type.
            FeatureError: the features cannot be.
        """
        tables.only(raw, ("name", "description", "features", "network", *_SECTIONS), where)
        read = {
            name: tables.build(kind, raw.get(name, {}), f"{where}, {name}")
            for name, kind in _SECTIONS.items()
        }
        for required in ("data", *(() if read["fusion"].runs else ("features", "network"))):
            if required not in raw:
                raise InputError(
                    "the recipe lacks a section",
                    where=where,
                    expected=f"[{required}]",
                    hint=None if required == "data" else "or [start] run: the folder of a run that has it",
                )
        recipe = Recipe(
            name=tables.convert(str, raw.get("name", Path(where).stem), f"{where}, name"),
            description=tables.convert(str, raw.get("description", ""), f"{where}, description"),
            features=_features(raw.get("features", {}), f"{where}, features"),
            network=_network(raw.get("network", {"name": "fusion"}), f"{where}, network"),
            **read,
        )
        for check in CHECKS:
            check(recipe, where)
        return recipe


_SECTIONS: dict[str, type[Any]] = {
    "data": Parts,
    "variation": Variation,
    "augment": Augment,
    "training": Training,
    "heads": Heads,
    "teacher": Teacher,
    "fusion": Fusion,
    "start": Start,
}


# What a recipe that starts from a run may leave out.
_INHERITED = ("features", "network", "heads")


def names() -> list[str]:
    """The recipes that ship with the package."""
    return sorted(path.stem for path in paths.recipes().glob("*.toml"))


def find(name_or_path: str) -> Path:
    """The file of a recipe, by its name or its path.

    Raises:
        InputError: there is none; a near match is suggested.
    """
    shipped, path = paths.recipes() / f"{name_or_path}.toml", Path(name_or_path)
    if path.is_file() or (path.suffix == ".toml" and path.exists()):
        return path
    if path.name == name_or_path and shipped.is_file():
        return shipped
    raise InputError(
        "no such recipe",
        where=name_or_path,
        expected=f"a .toml file, or one of {', '.join(names())}",
        hint=near(name_or_path, names()),
    )


def load(name_or_path: str, changes: Sequence[str] = ()) -> Recipe:
    """Load a recipe by its name or its path.

    Args:
        changes: other values, each ``section.key=value`` with a TOML value; a bare word is a string.

    Raises:
        InputError: there is none, it is no TOML, its content is wrong, or the run that it starts from is of another
            network, other features or another task.
    """
    path = find(name_or_path)
    raw = {"name": path.stem, **tables.load(path)}
    for change in changes:
        section, key, value = _change(change)
        table = raw.setdefault(section, {})
        if not isinstance(table, dict):
            raise InputError("expected a table", where=f"{path}, {section}", found=repr(table))
        table[key] = value
    try:
        return _started(raw, str(path))
    except InputError as error:
        error.where = _origin(error, str(path), changes)
        raise


def of_run(folder: Path) -> Recipe:
    """The recipe of a finished run.

    Raises:
        InputError: the folder holds no finished run.
    """
    run_folder.network(folder)
    told = folder / run_folder.RECIPE
    return Recipe.from_dict(tables.load_json(told), str(told))


def _started(raw: dict[str, Any], where: str) -> Recipe:
    """The recipe; where it starts from a run, what it leaves out is that run's, and what it names must be."""
    start = raw.get("start")
    run = start.get("run") if isinstance(start, dict) else None
    if not run or not isinstance(run, str):
        return Recipe.from_dict(raw, where)
    begun = of_run(Path(run))
    if begun.fusion.runs:
        raise InputError(
            "a fusion of runs cannot be trained on", where=run, hint="start from one of its runs"
        )
    told = begun.to_dict()
    training = raw.get("training", {})
    inherited = {name: told[name] for name in _INHERITED if name not in raw}
    if isinstance(training, dict) and "task" not in training:
        inherited["training"] = {**training, "task": begun.training.task}
    recipe = Recipe.from_dict({**raw, **inherited}, where)
    same = {
        "[network]": recipe.network == begun.network,
        "[features]": recipe.features in (begun.features, _unfitted(begun.features)),
        "[heads] groups": recipe.heads.groups == begun.heads.groups,
        "[training] task": recipe.training.task == begun.training.task,
    }
    if not all(same.values()):
        raise InputError(
            "the recipe and the run that it starts from differ",
            where=run,
            expected=f"the same in {where}, or none there: it is then the run's",
            found=", ".join(name for name, agrees in same.items() if not agrees),
        )
    return dataclasses.replace(recipe, features=begun.features)


def _unfitted(spec: Learned) -> Learned:
    """As a recipe has it, before the statistics of the training part are known."""
    return spec.replace(mean=(), std=()) if isinstance(spec, FeatureSpec) else spec


def _origin(error: InputError, path: str, changes: Sequence[str]) -> str | None:
    """Where a fault is: in the change that brought it, else in the file."""
    for change in reversed(changes):
        section, key, _ = _change(change)
        unknown = (f"{path}, {section}", key), (path, section)
        if error.where == f"{path}, {section}, {key}" or (error.where, error.found) in unknown:
            return f"--set {change}"
    return error.where


def _change(text: str) -> tuple[str, str, Any]:
    place, equals, value = text.partition("=")
    section, dot, key = place.strip().partition(".")
    if not equals or not dot:
        raise InputError("invalid --set", where=text, expected="section.key=value")
    try:
        return section, key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return section, key, value.strip()


def _features(raw: object, where: str) -> Learned:
    """The fields as they stand, or those that differ from the specification that ``spec`` names."""
    if not isinstance(raw, dict):
        raise InputError("expected a table", where=where, found=repr(raw))
    fields = dict(raw)
    name = fields.pop("spec", None)
    named = None if name is None else specs.load(tables.convert(str, name, f"{where}, spec"))
    base = {} if named is None else named.to_dict()
    return specs.learned(specs.from_dict({**base, **fields}, where), where)


def _network(raw: object, where: str) -> Network:
    """The network's name and the options of its ``build``, which checks them."""
    if not isinstance(raw, dict):
        raise InputError("expected a table", where=where, found=repr(raw))
    options = dict(raw)
    if not isinstance(options.get("name"), str):
        raise InputError("the recipe names no network", where=where, expected='name = "…"')
    return Network(options.pop("name"), options)
