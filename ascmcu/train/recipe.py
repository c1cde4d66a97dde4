"""A recipe: everything that a training run is made of, as one TOML file.

``[data]`` says which parts of the data set are for what, ``[features]`` holds the fields of a FeatureSpec (or
``spec``, the name of one, and the fields that differ),
``[network]`` names a file of ``zoo/`` and its options, ``[variation]`` how recordings are varied before their
features are taken, ``[augment]`` how features are varied anew in every epoch, ``[training]`` the rest.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ascmcu import paths
from ascmcu.data.variation import Variation
from ascmcu.errors import InputError
from ascmcu.features import spec as specs
from ascmcu.features.spec import FeatureSpec

T = TypeVar("T")


@dataclass(frozen=True)
class Parts:
    """The parts (folds, official splits) of the data set that each step sees.

    With nothing to validate on, the last epoch's weights are kept; the test part never chooses anything.
    """

    train: tuple[str, ...]
    validate: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


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
        time_roll: the clip is rotated in time by a random amount.
        time_mask_rows, freq_mask_bands: the widest SpecAugment mask (Park et al. 2019); its fill is zero, the
            mean of normalised features.
        time_masks, freq_masks: masks per example.
        mask_per_channel: every channel has masks of its own.
        swap_stereo: with a chance of one half, the left and right channels (and their deltas) are exchanged.
        gain_std: a random level: σ of a constant added to the normalised features of a whole clip.
        tilt_std: a random colour: σ of a slope over the bands, ±σ at the edges.
        mixup_energy: clips are mixed as sounds: their energies add, not their logarithms, and the louder one
            is turned down to the loudness of the other (between-class learning, Tokozume et al. 2018).
    """

    mixup_alpha: float = 0.0
    mixup_per_batch: bool = False
    time_roll: bool = False
    time_mask_rows: int = 0
    time_masks: int = 1
    freq_mask_bands: int = 0
    freq_masks: int = 1
    mask_per_channel: bool = False
    swap_stereo: bool = False
    gain_std: float = 0.0
    tilt_std: float = 0.0
    mixup_energy: bool = False


@dataclass(frozen=True)
class Training:
    """Optimiser and schedule.

    Args:
        optimizer: ``adam`` (decoupled weight decay), or ``sgd`` (momentum 0.9).
        learning_rate: its peak, after ``warmup_epochs`` of linear rise; then half a cosine to zero.
        restart_epochs: after so many epochs the rate jumps back to its peak and falls again (SGDR, Loshchilov
            and Hutter 2017).
        average: decay per step of the weights' moving average that is kept in the end; 0 keeps the weights.
        early_stop_epochs: stop when the validation accuracy has not risen for so long; 0 never stops.
    """

    epochs: int = 50
    batch: int = 32
    optimizer: str = "adam"
    learning_rate: float = 2e-3
    warmup_epochs: int = 2
    restart_epochs: tuple[int, ...] = ()
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    average: float = 0.0
    early_stop_epochs: int = 0
    seed: int = 1


@dataclass(frozen=True)
class Recipe:
    """A whole training run; ``features`` has no normalisation yet, that is measured on the training part."""

    name: str
    description: str
    data: Parts
    features: FeatureSpec
    network: Network
    variation: Variation
    augment: Augment
    training: Training

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``from_dict`` takes them."""
        return {
            "name": self.name,
            "description": self.description,
            "data": dataclasses.asdict(self.data),
            "features": self.features.to_dict(),
            "network": {"name": self.network.name, **self.network.options},
            "variation": dataclasses.asdict(self.variation),
            "augment": dataclasses.asdict(self.augment),
            "training": dataclasses.asdict(self.training),
        }

    @staticmethod
    def from_dict(raw: dict[str, Any], where: str) -> Recipe:
        """Check and take over plain values.

        Raises:
            InputError: a key is unknown, missing or of the wrong type.
            FeatureError: the features cannot be.
        """
        sections = {"name", "description", "data", "features", "network", "variation", "augment", "training"}
        _only(raw, sections, where)
        for required in ("data", "features", "network"):
            if not isinstance(raw.get(required), dict):
                raise InputError("the recipe lacks a section", where=where, expected=f"[{required}]")
        network = dict(raw["network"])
        if not isinstance(network.get("name"), str):
            raise InputError(
                "the recipe names no network", where=f"{where}: [network]", expected='name = "…"'
            )
        return Recipe(
            name=str(raw.get("name", Path(where).stem)),
            description=str(raw.get("description", "")),
            data=_section(Parts, raw["data"], f"{where}: [data]"),
            features=_features(raw["features"], f"{where}: [features]"),
            network=Network(network.pop("name"), network),
            variation=_section(Variation, raw.get("variation", {}), f"{where}: [variation]"),
            augment=_section(Augment, raw.get("augment", {}), f"{where}: [augment]"),
            training=_check(_section(Training, raw.get("training", {}), f"{where}: [training]"), where),
        )


def names() -> list[str]:
    """The recipes that ship with the package."""
    return sorted(path.stem for path in paths.recipes().glob("*.toml"))


def load(name_or_path: str, changes: Sequence[str] = ()) -> Recipe:
    """Load a recipe by its name or its path.

    Args:
        changes: other values, each ``section.key=value`` with a TOML value; a bare word is a string.

    Raises:
        InputError: there is none, it is no TOML, or its content is wrong.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = paths.recipes() / f"{name_or_path}.toml"
    try:
        raw = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(
            "no such recipe", where=name_or_path, expected=f"a .toml file, or one of {', '.join(names())}"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError("the recipe is not valid TOML", where=str(path), found=str(error)) from error
    for change in changes:
        section, key, value = _change(change)
        raw.setdefault(section, {})[key] = value
    return Recipe.from_dict({"name": path.stem, **raw}, str(path))


def _change(text: str) -> tuple[str, str, Any]:
    place, equals, value = text.partition("=")
    section, dot, key = place.strip().partition(".")
    if not equals or not dot:
        raise InputError("a change of the recipe is not understood", where=text, expected="section.key=value")
    try:
        return section, key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return section, key, value.strip()


def _features(raw: dict[str, Any], where: str) -> FeatureSpec:
    """The fields as they stand, or those that differ from the specification that ``spec`` names."""
    fields = dict(raw)
    name = fields.pop("spec", None)
    base = specs.load(str(name)).to_dict() if name is not None else {}
    return FeatureSpec.from_dict({**base, **fields}, where)


def _only(raw: dict[str, Any], known: set[str], where: str) -> None:
    for key in raw:
        if key not in known:
            raise InputError(f"unknown key {key!r}", where=where, expected=", ".join(sorted(known)))


def _section(kind: type[T], raw: dict[str, Any], where: str) -> T:
    """A dataclass from a TOML table; every value must have the type of the field's default."""
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    _only(raw, set(fields), where)
    values: dict[str, Any] = {}
    for key, value in raw.items():
        kind_of = str(fields[key].type)
        if kind_of.startswith("tuple"):
            if not isinstance(value, (list, tuple)):
                raise InputError(f"{key} must be a list", where=where, found=repr(value))
            values[key] = tuple((int if "int" in kind_of else str)(item) for item in value)
        else:
            wanted = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}[kind_of]
            if not isinstance(value, wanted) or (isinstance(value, bool) and kind_of != "bool"):
                raise InputError(
                    f"{key} has the wrong type", where=where, expected=kind_of, found=repr(value)
                )
            values[key] = float(value) if kind_of == "float" else value
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError("a value is missing", where=where, found=str(error)) from error


def _check(training: Training, where: str) -> Training:
    if training.optimizer not in ("adam", "sgd"):
        raise InputError("unknown optimizer", where=where, expected="adam, sgd", found=training.optimizer)
    for name in ("epochs", "batch", "learning_rate"):
        if getattr(training, name) <= 0:
            raise InputError(f"{name} must be positive", where=where, found=getattr(training, name))
    return training
