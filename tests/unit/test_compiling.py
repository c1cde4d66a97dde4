"""What cannot become a firmware is refused before anything is scheduled."""

from pathlib import Path

import pytest

from ascmcu import api
from ascmcu.errors import ModelError
from tests.support import cases


def test_a_constant_output_is_refused(tmp_path: Path) -> None:
    """The shape of a map is known without the map."""
    model = tmp_path / "shape.tflite"
    model.write_bytes(next(case for case in cases.load() if case.id == "shape: of a map").model())
    with pytest.raises(ModelError, match="an output does not depend on the input"):
        api.export(model, "nucleo-f446", tmp_path / "build")
    assert not (tmp_path / "build").exists()
