"""Slimming: groups from the graph, and a pruned network that computes what the masked one does."""

from __future__ import annotations

from collections.abc import Iterator

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
