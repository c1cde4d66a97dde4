# SPDX-License-Identifier: Apache-2.0
"""Scales chosen against us, a bounded number; ``tools/fuzz_scales`` runs hundreds of models a family."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ascmcu.frontends import tflite
from ascmcu.ir import registry
from tests.support.adversary import hunt
from tests.support.adversary.families import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
RECORD = json.loads((ROOT / "docs" / "results" / "fuzz-scales.json").read_text())
MODELS, FULL = 3, 300
assert tflite  # importing it registers the ops


@pytest.fixture(scope="module")
def pairs() -> list[tuple[hunt.Family, str]]:
    return hunt.pairs()


@pytest.mark.parametrize("part", range(4))
def test_nothing_differs(part: int, pairs: list[tuple[hunt.Family, str]]) -> None:
    """LiteRT = interpreter = passes on some models of every family, and the C of the first of each."""
    shown: Counter[str] = Counter()
    for family, dtype in pairs[part::4]:
        tally = hunt.hunt(family, dtype, MODELS, 20, every=MODELS)
        assert not tally.differences, f"{family.name} {dtype}: {tally.differences}"
        assert tally.models == MODELS, f"{family.name} {dtype}: {dict(tally.refused)}"
        shown.update(tally.revealed)
    assert shown.total() > 50, "the scales show no difference between formulas"


@pytest.mark.parametrize("floats", [False, True], ids=["integers", "floats"])
def test_every_operator_has_a_family(floats: bool, pairs: list[tuple[hunt.Family, str]]) -> None:
    """A new operator needs one: see tests/support/adversary."""
    covered = {b for family, dtype in pairs if (dtype == "float32") == floats for b in family.builtins}
    # Operators whose result is float32 and whose input is not stand among the integers.
    supported = set(registry.supported_builtins(floats=floats)) | (set() if floats else {"DEQUANTIZE"})
    assert supported <= covered, f"no adversarial family: {sorted(supported - covered)}"


def test_the_record_holds_every_family(pairs: list[tuple[hunt.Family, str]]) -> None:
    """``tools/fuzz_scales --record docs/results/fuzz-scales.json --target 2`` writes it anew."""
    rows = RECORD["families"]
    missing = [f"{family.name} {dtype}" for family, dtype in pairs if f"{family.name} {dtype}" not in rows]
    assert not missing
    short = [name for name, row in rows.items() if row["models"] < FULL or row["differences"]]
    assert not short
    assert all(not found["differences"] for found in RECORD["Cortex-M4"].values())
    assert set(RECORD["Cortex-M4"]) == {"qemu", "sim"}


def test_every_candidate_was_shown() -> None:
    """No formula stands in a table that its models cannot tell from the claimed one."""
    competing = {name: row["formulas"] for name, row in RECORD["families"].items() if row["formulas"]}
    assert competing
    for name, formulas in competing.items():
        assert min(formulas.values()) >= 1, f"{name}: {formulas}"


def test_families_compete() -> None:
    """Those that scale have candidates; those that copy have none."""
    from tests.support.adversary.copying import BUILTINS, PLAIN

    scaling = {
        name for name, family in FAMILIES.items()
        if not set(family.builtins) <= {*BUILTINS, *PLAIN} and family.dtypes != ("float32",) and "output" not in name
    }  # fmt: skip
    # Held against LiteRT alone: no second formula for them is known.
    alone = {"DEQUANTIZE int16", "SOFTMAX int16", "SVDF int8", "UNIDIRECTIONAL_SEQUENCE_LSTM int8"}
    alone |= {
        f"{name} {dtype}" for name in ("LOG_SOFTMAX", "L2_NORMALIZATION") for dtype in ("int8", "uint8")
    }
    assert alone <= set(RECORD["families"])
    idle = [
        n for n, row in RECORD["families"].items() if n.rsplit(" ", 1)[0] in scaling and not row["formulas"]
    ]
    assert set(idle) <= alone
