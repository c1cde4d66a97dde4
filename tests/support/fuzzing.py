# SPDX-License-Identifier: Apache-2.0
"""One fuzzed network from recipe to verdict, and batches of them; the tests run a few, ``tools/fuzz_graphs`` many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, seed, settings

from ascmcu.errors import ModelError
from ascmcu.frontends import tflite
from tests.support import chain, native_compilers, recipes, recipes_flat
from tests.support.litert import Reference
from tests.support.recipes import Recipe

SOURCES = ("flat", "tensorflow")
INTERFACES = ("int8", "int8", "uint8", "float32")
# LiteRT 2.3.0's BUILTIN_REF reads the int8 input of SUM as uint8. Networks with a SUM are drawn of these kinds, for
# which its other resolver gives the same bits, and are compared with that one.
SUM_KINDS = (
    "sum", "pad", "slice", "strided_slice", "transpose", "reshape", "expand_dims", "concat", "pack", "split",
    "reduce_max", "max_pool",
)  # fmt: skip
OTHER_KINDS = tuple(kind for kind in recipes.KINDS if kind != "sum")


def model(recipe: Recipe, source: str) -> bytes | None:
    """The ``.tflite``, or None where TensorFlow's converter refuses the network."""
    if source == "flat":
        return recipes_flat.make(recipe)
    from tests.support import recipes_tensorflow

    try:
        return recipes_tensorflow.build(recipe)
    except Exception:
        return None


def check(recipe: Recipe, source: str) -> str:
    """Run the chain; answers how it ended.

    Raises:
        AssertionError: results differ, or a network that LiteRT runs in integers is refused without need.
    """
    data = model(recipe, source)
    if data is None:
        return "converter refuses"
    if chain.has_float_operators(data):
        return "converter leaves float operators"
    try:
        tflite.parse(data, "model")
    except ModelError as error:
        # What is always zero in calibration has no scale to speak of; LiteRT itself aborts the process on it.
        if {part.what for part in error.parts} <= {
            "the output's scale is too small for its operands",
            "softmax's input scale is too small",
        }:
            return "undefined in LiteRT"
        raise AssertionError(f"refused: {error}") from error
    has_sum = any(step.kind == "sum" for step in recipe.steps)
    try:
        reference = Reference(data, "BUILTIN_WITHOUT_DEFAULT_DELEGATES" if has_sum else "BUILTIN_REF")
    except (RuntimeError, ValueError):
        return "LiteRT refuses"
    chain.check(
        data, sets=4, seed=recipe.seed, reference=reference, native=native_compilers.turn(recipe.seed)
    )
    return "equal"


def batch(
    source: str,
    number: int,
    graphs: int,
    *,
    with_sum: bool = False,
    shrink: bool = True,
    kinds: Sequence[str] | None = None,
) -> tuple[Counter[str], str | None]:
    """Draw and check ``graphs`` networks, of ``kinds`` alone if there are any; answers the verdicts and, for a failure,
    its shrunk row."""
    verdicts: Counter[str] = Counter()
    failed: list[tuple[Recipe, str]] = []
    seen: set[str] = set()
    # The other resolver's DEQUANTIZE is not the reference's: with SUM, integers at both ends.
    of_all, interfaces = (SUM_KINDS, ("int8",)) if with_sum else (OTHER_KINDS, INTERFACES)
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]

    @seed(number)
    @settings(
        max_examples=graphs, database=None, deadline=None, phases=phases,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(recipes.recipes(kinds=tuple(kinds or of_all), interfaces=interfaces))
    def run(recipe: Recipe) -> None:
        key = f"{recipe.shape}{recipe.steps}"
        if key in seen and not failed:
            verdicts["drawn before"] += 1
            return
        seen.add(key)
        try:
            verdicts[check(recipe, source)] += 1
        except Exception as error:
            failed.append((recipe, f"{type(error).__name__}: {error}"))
            raise

    try:
        run()
    except Exception:
        recipe, problem = failed[-1]
        verdicts["DIFFERENT"] += 1
        comment = "\n".join(f"# {line}" for line in problem.splitlines())
        return verdicts, f'{comment}\n{recipe.row("TODO: what went wrong")}source = "{source}"\n'
    return verdicts, None


def drawn(
    number: int,
    graphs: int,
    kinds: Sequence[str] = OTHER_KINDS,
    interfaces: Sequence[str] = INTERFACES,
) -> list[Recipe]:
    """``graphs`` networks or somewhat fewer, all different, as ``batch`` draws them from this seed."""
    found: dict[str, Recipe] = {}

    @seed(number)
    @settings(
        max_examples=graphs, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(recipes.recipes(kinds=tuple(kinds), interfaces=tuple(interfaces)))
    def run(recipe: Recipe) -> None:
        found.setdefault(f"{recipe.shape}{recipe.steps}", recipe)

    run()
    return list(found.values())


def total(counts: Sequence[Counter[str]]) -> Counter[str]:
    """The sum of verdicts."""
    return sum(counts, Counter())
