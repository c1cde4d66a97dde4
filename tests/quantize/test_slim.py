# SPDX-License-Identifier: Apache-2.0
"""Slimming: groups from the graph, and a pruned network that computes what the masked one does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu import zoo
from ascmcu.errors import InputError
from tests.quantize.conftest import NETWORKS, clips, network


@pytest.fixture
def _doubles() -> Iterator[None]:
    """Networks in float64: two sums of the same numbers in another order agree to the last digits."""
    import keras

    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.usefixtures("_doubles")
@pytest.mark.parametrize("name", ["dscnn", "bupt", "tmsic", "mobnet"])
def test_pruned_equals_masked(name: str) -> None:
    from ascmcu.quantize import slim

    model = network(name)
    found = slim.groups(model)
    keep = slim.chosen(model, found, slim._parameters(model, found, {}) // 2)
    assert any(not mask.all() for mask in keep.values())
    x = clips(name, 2).astype(np.float64)
    expected = slim.masked(model, found, keep).predict_on_batch(x)
    result = slim.pruned(model, found, keep).predict_on_batch(x)
    assert result.dtype == np.float64
    assert np.abs(expected - model.predict_on_batch(x)).max() > 1e-9
    assert np.abs(expected - result).max() < 1e-13


def _masked_and_pruned(name: str) -> tuple[bytes, bytes]:
    """The same network twice, half of its parameters zero or gone."""
    from ascmcu.quantize import slim, source

    model = network(name)
    _fold_exactly(model)
    found = slim.groups(model)
    keep = slim.chosen(model, found, slim._parameters(model, found, {}) // 2)
    made = (slim.masked(model, found, keep), slim.pruned(model, found, keep))
    return source.to_float_tflite(made[0]), source.to_float_tflite(made[1])


def _fold_exactly(model: Any) -> None:
    """Scales of normalisations that are powers of two.

    The converter folds them into the weights with the processor's widest instructions: a channel's product with any
    other scale may end in another bit when it has other neighbours.
    """
    import keras

    for number, layer in enumerate(model.layers):
        if isinstance(layer, keras.layers.BatchNormalization):
            one = np.float32(1) - np.float32(layer.epsilon)
            assert one + np.float32(layer.epsilon) == 1
            scales = 2.0 ** np.random.default_rng(number).integers(-1, 2, layer.gamma.shape)
            layer.gamma.assign(scales)
            layer.moving_variance.assign(np.full(layer.moving_variance.shape, one))


# Not those whose normalisations stand before convolutions: the converter sums their offsets over the channels.
@pytest.mark.parametrize("name", ["dscnn", "tmsic"])
def test_pruned_equals_masked_bit_for_bit(name: str) -> None:
    """Compiled: the C sums in the order of the channels, where those that are zero change nothing."""
    from ascmcu import passes
    from ascmcu.frontends import tflite
    from tests.support.host_model import HostModel

    answers = []
    for model in _masked_and_pruned(name):
        graph = passes.optimize(tflite.parse(model, name))
        compiled = HostModel(graph, "rows")
        shape = graph.tensors[graph.inputs[0]].shape
        answers.append([compiled(clip.reshape(shape))[0] for clip in clips(name, 2)])
    assert np.array_equal(answers[0], answers[1])
    assert np.ptp(answers[0]) > 0


def _of_whole_numbers(model: Any) -> None:
    """Weights with which every sum is a whole number far below 2⁵³: exact, in whatever order it is made."""
    import keras

    rng = np.random.default_rng(11)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            low_high = {"gamma": (1, 3), "beta": (-1, 2), "moving_mean": (-1, 2)}
            layer.set_weights(
                [
                    rng.integers(*low_high[v.name], v.shape)
                    if v.name in low_high
                    else np.full(v.shape, 1.0 - layer.epsilon)
                    for v in layer.weights
                ]
            )
        elif layer.get_weights():
            layer.set_weights(
                [_sparse(w.shape, isinstance(layer, keras.layers.Dense), rng) for w in layer.get_weights()]
            )


def _sparse(shape: tuple[int, ...], dense: bool, rng: np.random.Generator) -> np.ndarray:
    """A few ones and minus ones per output; one alone behind the mean, which is no whole number."""
    if len(shape) == 1:
        return rng.integers(-1, 2, shape)
    taps = np.zeros((int(np.prod(shape[:-1])), shape[-1]))
    for column in taps.T:
        column[rng.choice(len(column), 1 if dense else min(3, len(column)), replace=False)] = rng.choice(
            [-1, 1]
        )
    return taps.reshape(shape)


@pytest.mark.usefixtures("_doubles")
@pytest.mark.parametrize("name", ["dscnn", "bupt", "tmsic", "mobnet"])
def test_pruned_equals_masked_exactly(name: str) -> None:
    import keras

    from ascmcu.quantize import slim

    model = network(name)
    _of_whole_numbers(model)
    found = slim.groups(model)
    keep = slim.chosen(model, found, slim._parameters(model, found, {}) // 2)
    x = np.round(clips(name, 4)).astype(np.float64)
    masked, pruned = (
        keras.Model(m.inputs, m.layers[-1].input).predict_on_batch(x)
        for m in (slim.masked(model, found, keep), slim.pruned(model, found, keep))
    )
    assert np.array_equal(masked, pruned)
    assert np.ptp(masked) > 0 and np.abs(masked).max() < 2**40


@pytest.mark.parametrize("name", ["dscnn", "bupt", "tmsic", "mobnet"])
def test_real_weights(name: str) -> None:
    from ascmcu.quantize import slim

    model = network(name)
    found = slim.groups(model)
    target = int(0.4 * slim._parameters(model, found, {}))
    keep = slim.chosen(model, found, target)
    smaller = slim.pruned(model, found, keep)
    counted = sum(int(np.prod(w.shape)) for w in smaller.trainable_weights)
    assert counted == slim._parameters(model, found, keep) <= target
    x = clips(name, 4)
    a = slim.masked(model, found, keep).predict_on_batch(x)
    assert np.abs(a - smaller.predict_on_batch(x)).max() < 1e-5


def test_groups_of_a_residual_network() -> None:
    """The maps of the first four blocks are added to each other: one group; inner maps are groups of their own."""
    from ascmcu.quantize import slim

    model = network("bupt")
    found = slim.groups(model)
    outer = found.outputs["stem"]
    for block in range(1, 5):
        assert found.outputs[f"block{block}_second"] == outer
        assert found.outputs[f"block{block}_first"] != outer
    assert found.outputs["block5_shortcut"] == found.outputs["block5_second"] != outer
    assert all(found.groups[g].fixed for g in found.outputs["classes"])
    assert len(found.groups[outer[0]].normalisations) == 5


def test_unpruned_to_published_scale() -> None:
    """1,059,590 parameters of the published network become at most 83,974."""
    from ascmcu.quantize import slim

    model = zoo.build("bupt", (280, 256, 2), 3)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.gamma.assign(rng.uniform(0, 1, layer.gamma.shape))
    found = slim.groups(model)
    assert slim._parameters(model, found, {}) == 1_059_590
    smaller = slim.pruned(model, found, slim.chosen(model, found, 83_974))
    count = sum(int(np.prod(w.shape)) for w in smaller.trainable_weights)
    assert 0.97 * 83_974 < count <= 83_974


def test_too_small() -> None:
    from ascmcu.quantize import slim

    with pytest.raises(InputError, match="that small"):
        slim.prune(network("dscnn"), 10)


def test_the_penalty_shrinks_scales() -> None:
    from ascmcu.quantize import slim
    from ascmcu.train import loop
    from ascmcu.train.examples import Examples
    from ascmcu.train.recipe import Augment, Training

    x = clips("dscnn", 32)
    examples = Examples(x, np.arange(32) % 4)
    plan = loop.Plan(Augment(), Training(epochs=3, batch=8, learning_rate=0.05, weight_decay=0.0))

    def scales(penalty: float) -> float:
        model = network("dscnn")
        slim.penalise(model, penalty)
        loop.fit(model, examples, None, plan)
        found = slim.groups(model)
        names = [n for g in found.groups if not g.fixed for n in g.normalisations]
        return float(np.mean([np.abs(np.asarray(model.get_layer(n).gamma)).mean() for n in names]))

    assert NETWORKS["dscnn"]
    assert scales(1.0) < 0.9 * scales(0.0)


def test_slim_trains_prunes_and_trains() -> None:
    import dataclasses

    from ascmcu.quantize import slim
    from ascmcu.train import recipe
    from ascmcu.train.examples import Examples

    chosen = recipe.load("demo", ["training.epochs=2"])
    chosen = dataclasses.replace(chosen, augment=recipe.Augment())
    model, x = network("dscnn"), clips("dscnn", 32)
    before = slim._parameters(model, slim.groups(model), {})
    smaller = slim.slim(model, chosen, Examples(x, np.arange(32) % 4), before // 2)
    count = sum(int(np.prod(w.shape)) for w in smaller.trainable_weights)
    assert 0 < count <= before // 2
    assert smaller.predict_on_batch(x).shape == (32, 4)


def test_what_cannot_be_is_not_trained() -> None:
    from ascmcu.quantize import slim
    from ascmcu.train import recipe
    from ascmcu.train.examples import Examples

    def never(phase: str, epoch: object) -> None:
        raise AssertionError(f"trained: {phase}")

    examples = Examples(clips("dscnn", 8), np.arange(8) % 4)
    with pytest.raises(InputError, match="that small"):
        slim.slim(network("dscnn"), recipe.load("demo"), examples, 10, progress=never)


@pytest.mark.parametrize("cut", [("penalised", 1), ("fine-tuned", 1)])
def test_slimming_goes_on(cut: tuple[str, int], tmp_path: Path) -> None:
    """Cut off in either training and begun again, it ends as if it had not been."""
    import dataclasses

    import keras

    from ascmcu.quantize import slim
    from ascmcu.train import recipe
    from ascmcu.train.examples import Examples

    chosen = dataclasses.replace(recipe.load("demo", ["training.epochs=4"]), augment=recipe.Augment())
    examples = Examples(clips("tmsic", 16), np.arange(16) % 4)
    seen: list[tuple[str, int]] = []

    def made(states: Path | None, stop: tuple[str, int] | None) -> list[np.ndarray]:
        model = network("tmsic")
        target = slim._parameters(model, slim.groups(model), {}) * 2 // 3

        def progress(phase: str, epoch: Any) -> None:
            seen.append((phase, epoch.epoch))
            if stop and (phase, epoch.epoch - 1) == stop:
                raise KeyboardInterrupt

        keras.utils.set_random_seed(1)
        return slim.slim(model, chosen, examples, target, progress=progress, states=states).get_weights()

    whole = made(None, None)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, cut)
    seen.clear()
    resumed = made(tmp_path, None)
    assert seen[0] != ("penalised", 1)
    assert all(np.array_equal(a, b) for a, b in zip(whole, resumed, strict=True))
