# SPDX-License-Identifier: Apache-2.0
"""Networks, one file each: ``build(shape, classes, **options) -> keras.Model``.

``shape`` is the network input without the batch, as ``FeatureSpec`` gives it. The last layer is a softmax, so
that an exported network answers with probabilities; where a clip may have several classes, sigmoids take its place. A
network that reconstructs its input ends in as many values as that has.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import os
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ascmcu import extras
from ascmcu.errors import InputError, near

if TYPE_CHECKING:
    import keras

# TensorFlow's own notices about CPU features and missing GPUs say nothing to our user.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def names() -> list[str]:
    """The networks that exist."""
    return sorted(
        module.name.replace("ascmcu_net", "ascmcu-net")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_")
    )


def load_tensorflow() -> None:
    """Import TensorFlow and let it look for devices, without its notices.

    Raises:
        ToolError: it is not installed.
    """
    try:
        with quiet():
            tensorflow = importlib.import_module("tensorflow")
            tensorflow.config.list_physical_devices()
            importlib.import_module("keras")
            for layers in ("_layers", "_branches"):
                importlib.import_module(f"{__name__}.{layers}")
    except ModuleNotFoundError as error:
        raise extras.missing("train", "this step needs TensorFlow", error) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide TensorFlow's notices, which it writes from C++ to file descriptor 2; exceptions still pass."""
    sys.stderr.flush()
    saved = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(saved, 2)
        os.close(sink)
        os.close(saved)


def build(
    name: str,
    shape: tuple[int, ...],
    classes: int,
    options: dict[str, Any] | None = None,
    task: str = "single_label",
) -> keras.Model:
    """Build a network with fresh weights.

    Args:
        task: as ``Training`` has it.

    Raises:
        InputError: no such network, an option or a value that it does not take, or one that is of another task.
        ToolError: TensorFlow is not installed.
    """
    if name not in names():
        raise InputError("no such network", where=name, expected=", ".join(names()), hint=near(name, names()))
    load_tensorflow()
    builder = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").build
    known = list(inspect.signature(builder).parameters)[2:]
    for option in options or {}:
        if option not in known:
            raise InputError(
                f"{name} takes no option {option!r}",
                where="[network]",
                expected=", ".join(known),
                hint=near(option, known),
            )
    try:
        model: keras.Model = builder(shape, classes, **(options or {}))
    except (ValueError, TypeError) as error:  # lists of unequal length, a map that vanishes, a width of zero
        raise InputError(
            f"{name} cannot be built from these options",
            where="[network]",
            found=str(error).strip().splitlines()[0][:200],
        ) from error
    _check_task(name, model, task)
    return with_sigmoids(model) if task == "multi_label" else model


def _check_task(name: str, model: keras.Model, task: str) -> None:
    """A network that ends in a softmax classifies; another one reconstructs."""
    classifies = model.layers[-1].__class__.__name__ == "Softmax"
    if (task == "reconstruction") == classifies:
        raise InputError(
            f"{name} is not a network for this task",
            where="[network]",
            expected="a softmax at the end, for classes; as many values as the input, for a reconstruction",
            found=f"task {task}",
        )


def with_sigmoids(model: keras.Model) -> keras.Model:
    """The network with a sigmoid for each class in place of its last layer, a softmax; the weights are shared."""
    import keras

    last = model.layers[-1]
    answer = keras.layers.Activation("sigmoid", name=last.name)(last.input)
    return keras.Model(model.inputs, answer, name=model.name)
