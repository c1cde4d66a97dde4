"""Networks, one file each: ``build(shape, classes, **options) -> keras.Model`` and nothing to register.

``shape`` is the network input without the batch, as ``FeatureSpec`` gives it. The last layer is a softmax, so
that an exported network answers with probabilities.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from typing import TYPE_CHECKING, Any

from ascmcu.errors import InputError, ToolError

if TYPE_CHECKING:
    import keras

# TensorFlow's own notices about CPU features and missing GPUs say nothing to our user.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def names() -> list[str]:
    """The networks that exist."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def build(name: str, shape: tuple[int, ...], classes: int, options: dict[str, Any] | None = None) -> keras.Model:
    """Build a network with fresh weights.

    Raises:
        InputError: no such network, or an option that it does not take.
        ToolError: TensorFlow is not installed.
    """
    if name not in names():
        raise InputError("no such network", where=name, expected=", ".join(names()))
    try:
        builder = importlib.import_module(f"{__name__}.{name}").build
    except ModuleNotFoundError as error:
        raise ToolError(
            "training needs TensorFlow", found=str(error), hint='run `pip install "ascmcu[train]"`'
        ) from error
    known = list(inspect.signature(builder).parameters)[2:]
    for option in options or {}:
        if option not in known:
            raise InputError(f"{name} takes no option {option!r}", where="[network]", expected=", ".join(known))
    model: keras.Model = builder(shape, classes, **(options or {}))
    return model
