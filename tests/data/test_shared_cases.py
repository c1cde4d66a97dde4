# SPDX-License-Identifier: Apache-2.0
"""The data sets on which earlier versions answered wrongly, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascmcu.data import check, datasets
from ascmcu.features import spec as specs
from tests.support import outside

CASES = outside.case("data")
pytestmark = outside.needs(CASES)

# Data set → kind → the files of it.
FOUND = {
    "size0": {"empty": {"header_only"}, "streamed": {"size0"}, "truncated": {"truncated"}, "shorter": {"truncated"}},
    "tens": {"nothing_heard": {"signal_after_2s"}, "longer": {"signal_after_2s"}},
    "quiet": {
        "too_short": {"one_sample"}, "integer_scaled": {"int_scaled_float"}, "truncated": {"truncated"},
        "cancels": {"stereo_antiphase"}, "beyond_full_scale": {"loud_float"}, "longer": {"long"},
        "shorter": {"one_sample", "truncated"}, "mixed": {"stereo_antiphase"}, "upsampled": {"rate4000"},
    },
    "nan": {"not_finite": {"nan"}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path))


@pytest.mark.parametrize("name", FOUND)
def test_what_is_found(name: str) -> None:
    report = check.check(CASES / name, spec=specs.load(str(CASES / "f12.toml")))
    assert {kind: {Path(n).stem for n in names} for kind, names in report.findings.items()} == FOUND[name]
    assert report.faults


@pytest.mark.parametrize(
    ("name", "labels", "parts"),
    [("tdt", ("a", "b"), ("dev", "test", "train")), ("edgeimpulse", ("hello", "noise"), ("test", "train"))],
)
def test_parts_are_no_classes(name: str, labels: tuple[str, ...], parts: tuple[str, ...]) -> None:
    dataset = datasets.load(CASES / name)
    assert (dataset.labels, dataset.parts) == (labels, parts)
