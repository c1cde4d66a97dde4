# SPDX-License-Identifier: Apache-2.0
"""What cannot become a firmware is refused before anything is scheduled."""

from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from ascmcu.errors import FeatureError, ModelError
from tests.support import cases
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build


def test_a_constant_output_is_refused(tmp_path: Path) -> None:
    """The shape of a map is known without the map."""
    model = tmp_path / "shape.tflite"
    model.write_bytes(next(case for case in cases.load() if case.id == "shape: of a map").model())
    with pytest.raises(ModelError, match="an output does not depend on the input"):
        api.export(model, "nucleo-f446", tmp_path / "build")
    assert not (tmp_path / "build").exists()


def _dense(folder: Path, shape: tuple[int, ...]) -> Path:
    """A dense layer over 49 × 40 features in one vector, or in another shape of as many values."""
    count = int(np.prod(shape))
    tensors = [
        TensorSpec("x", shape, scales=(0.1,), zero_point=-128),
        TensorSpec("w", (3, count), scales=(0.02,), data=np.ones((3, count), np.int8)),
        TensorSpec("y", (1, 3), scales=(0.5,)),
    ]
    path = folder / "dense.tflite"
    path.write_bytes(build(tensors, [OperatorSpec("FULLY_CONNECTED", [0, 1], [2])], [0], [2]))
    return path


def test_features_for_a_vector_that_takes_all_rows_at_once_are_refused(tmp_path: Path) -> None:
    """The front end hands over row by row; a network of one row would run on the first."""
    with pytest.raises(FeatureError, match="do not have the shape"):
        api.compile_model(_dense(tmp_path, (1, 1960)), features="micro_speech")


def test_features_of_another_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="do not have the shape"):
        api.compile_model(_dense(tmp_path, (1, 49 * 39)), features="micro_speech")


def test_features_that_do_not_fit_are_told_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="do not have the shape") as refused:
        api.compile_model(_dense(tmp_path, (1, 49, 40, 1)), features="default")
    assert refused.value.hint is not None and "mlperf_kws_logmel" in refused.value.hint
