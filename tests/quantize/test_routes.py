# SPDX-License-Identifier: Apache-2.0
"""From every source to every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu.errors import DataError, InputError, ModelError
from ascmcu.frontends import tflite
from tests.quantize.conftest import NETWORKS, clips, network


def _same(a: bytes, b: bytes, x: np.ndarray) -> bool:
    from ascmcu.quantize import run

    return bool(np.abs(run.probabilities(a, x) - run.probabilities(b, x)).max() < 1e-5)


def test_every_source_is_the_same_network(tmp_path: Path) -> None:
    import keras

    from ascmcu.quantize import formats, source

    model = network("dscnn")
    model.save(tmp_path / "net.keras")
    model.save(tmp_path / "net.h5")
    model.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    plain = source.to_float_tflite(model)
    (tmp_path / "net.tflite").write_bytes(plain)
    for name in ("net.keras", "net.h5", "saved", "net.tflite"):
        found = source.load(tmp_path / name)
        assert found.input_shape == NETWORKS["dscnn"][0]
        assert _same(plain, found.tflite, clips("dscnn"))
    assert isinstance(source.load(tmp_path / "net.h5").keras, keras.Model)
    (tmp_path / "half.tflite").write_bytes(formats.fp16(plain))
    (tmp_path / "dynamic.tflite").write_bytes(formats.dynamic(plain))
    assert source.load(tmp_path / "half.tflite").format == "fp16"
    dynamic = source.load(tmp_path / "dynamic.tflite")
    assert dynamic.format == "dynamic"
    from ascmcu.quantize import run

    rounded = run.probabilities(dynamic.tflite, clips("dscnn")) - run.probabilities(plain, clips("dscnn"))
    assert 0 < np.abs(rounded).max() < 0.05


def test_int8_is_no_source(tmp_path: Path) -> None:
    from ascmcu.quantize import source, static

    plain = source.to_float_tflite(network("dscnn"))
    (tmp_path / "int8.tflite").write_bytes(static.int8(plain, clips("dscnn")))
    with pytest.raises(ModelError, match="quantized already"):
        source.load(tmp_path / "int8.tflite")


def test_what_is_no_model(tmp_path: Path) -> None:
    from ascmcu.quantize import source

    (tmp_path / "net.tflite").write_bytes(b"nothing at all")
    (tmp_path / "net.keras").write_bytes(b"nothing at all")
    (tmp_path / "folder").mkdir()
    for name in ("net.tflite", "net.keras", "folder"):
        with pytest.raises(ModelError):
            source.load(tmp_path / name)
    with pytest.raises(InputError, match="no such model"):
        source.load(tmp_path / "none.keras")


def _scales(model: bytes) -> dict[str, list[float]]:
    from ascmcu.quantize import flatbuffer

    tensors = flatbuffer.parse(model).subgraphs[0].tensors
    found = [t for t in tensors if t.quantization is not None and t.quantization.scale is not None]
    return {flatbuffer.tensor_name(t): [float(s) for s in t.quantization.scale] for t in found}


def test_minmax_is_what_the_converter_does() -> None:
    """The scales of TensorFlow's own calibration on the same clips, but for float sums in another order."""
    import keras
    import tensorflow as tf

    from ascmcu import zoo
    from ascmcu.quantize import source, static

    model, x = network("dscnn"), clips("dscnn", 16)
    with zoo.quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([source.forward(model, x.shape[1:])])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([clip[None]] for clip in x)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        theirs = bytes(converter.convert())
    ours = static.int8(source.to_float_tflite(model), x)
    a, b = (_scales(model) for model in (theirs, ours))
    same = [np.allclose(scale, b[name], rtol=1e-4) for name, scale in a.items()]
    # TensorFlow reads some tensors after their memory was given to others; ours are checked against Keras below.
    assert set(a) == set(b) and sum(same) >= 0.8 * len(same)
    found = np.array([scale[0] for scale in b.values() if len(scale) == 1])
    for layer in model.layers:
        if layer.name.endswith("_relu"):
            top = float(keras.Model(model.inputs, layer.output).predict_on_batch(x).max())
            assert np.abs(found * 255 / top - 1).min() < 1e-4, layer.name


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse", "entropy"])
def test_calibrators(method: str) -> None:
    from ascmcu.quantize import run, source, static

    plain, x = source.to_float_tflite(network("dscnn")), clips("dscnn", 16)
    model = static.int8(plain, x, method, 99.9)
    tflite.parse(model, method)
    assert np.abs(run.probabilities(model, x) - run.probabilities(plain, x)).max() < 0.15


def test_an_outlier_costs_min_max_most() -> None:
    """One far value in a hundred thousand: who cuts it off rounds the rest more finely."""
    from ascmcu.quantize import calibrate

    rng = np.random.default_rng(1)
    values = np.concatenate([rng.standard_normal(100_000), [60.0]])
    counts, edges = np.histogram(values, 2048)
    histogram = calibrate.Histogram(float(edges[0]), float(edges[-1]), counts.astype(float))

    def noise(found: calibrate.Range) -> float:
        step = (found.high - found.low) / 255
        rounded = np.round((np.clip(values, found.low, found.high) - found.low) / step) * step + found.low
        return float(np.mean((values[:-1] - rounded[:-1]) ** 2))

    widest = calibrate.Range(histogram.low, histogram.high)
    for found in (calibrate.by_percentile(histogram, 99.99), calibrate.by_entropy(histogram)):
        assert found.low < -2.5 and 2.5 < found.high < 10
        assert noise(found) < noise(widest) / 20

    def error(found: calibrate.Range) -> float:
        return noise(found) + (60.0 - found.high) ** 2 / len(values)

    # The mean square error counts what the outlier itself loses.
    best = calibrate.by_mse(histogram)
    assert 2.5 < best.high < 60 and error(best) < min(error(widest), error(calibrate.Range(best.low, 6.0)))


def test_calibration_data_must_fit() -> None:
    from ascmcu.quantize import calibrate, source

    plain = source.to_float_tflite(network("dscnn"))
    with pytest.raises(DataError, match="does not fit"):
        calibrate.ranges(plain, np.zeros((2, 3, 4, 1), np.float32))
    good = np.asarray(clips("dscnn"), np.float32)
    with pytest.raises(DataError, match="holds no clips"):
        calibrate.ranges(plain, good[:0])
    for bad in (np.nan, np.inf):  # the fault is the data's, not a layer's
        one = good.copy()
        one.reshape(len(one), -1)[1, 0] = bad
        with pytest.raises(DataError, match="no finite numbers") as caught:
            calibrate.ranges(plain, one)
        assert caught.value.where == "clip 1"
    with pytest.raises(InputError, match="no such calibrator"):
        calibrate.ranges(plain, clips("dscnn"), "guess")


def test_sensitivity_points_at_the_bad_layer() -> None:
    """A layer of which one channel, that nobody needs, is far larger than the others."""
    import keras

    from ascmcu.quantize import calibrate, sensitivity, source

    inputs = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(8, 3, name="good")(inputs)
    x = keras.layers.Conv2D(8, 3, name="bad")(x)
    x = keras.layers.Conv2D(8, 1, name="behind")(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    kernel, bias = model.get_layer("bad").get_weights()
    behind, offset = model.get_layer("behind").get_weights()
    bias[0], behind[:, :, 0] = 300.0, 0.0
    model.get_layer("bad").set_weights([kernel, bias])
    model.get_layer("behind").set_weights([behind, offset])
    plain = source.to_float_tflite(model)
    data = np.random.default_rng(0).standard_normal((8, 8, 8, 2)).astype(np.float32)
    layers = sensitivity.measure(plain, calibrate.ranges(plain, data), data)
    by_name = {name: next(x for x in layers if f"/{name}_" in x.layer) for name in ("good", "bad", "behind")}
    # The layer behind reads the same badly spread values.
    worst = max(by_name["bad"].alone_db, by_name["behind"].alone_db)
    assert by_name["good"].alone_db > worst + 10.0
    assert by_name["bad"].sqnr_db > by_name["behind"].sqnr_db
    assert all(0.0 <= layer.agreement <= 1.0 and layer.accuracy is None for layer in layers)


@pytest.mark.parametrize("name", ["dscnn", "tmsic", "bupt", "mobnet"])
def test_fine_tuned_ranges_reach_the_converter(name: str) -> None:
    from ascmcu.quantize import flatbuffer, layer_graph, qat, run

    model, x = network(name), clips(name, 16)
    prepared = qat.prepare(model)
    qat.observe(prepared, x)
    assert set(layer_graph.of(model).order) <= {layer.name for layer in prepared.layers}
    converted = qat.to_int8(prepared)
    graph = tflite.parse(converted, name)
    assert not [node for node in graph.nodes if node.op.kind().startswith("float")]
    scales = {
        round(float(t.quantization.scale[0]), 9)
        for t in flatbuffer.parse(converted).subgraphs[0].tensors
        if t.quantization is not None and t.quantization.scale is not None and len(t.quantization.scale) == 1
    }
    ranges = [layer for layer in qat._all_layers(prepared) if isinstance(layer, qat.FakeQuant)]
    lost = [
        layer.name
        for layer in ranges
        if not any(abs(s * 255 / (float(layer.high) - float(layer.low)) - 1) < 1e-3 for s in scales)
    ]
    # Where maps are joined, they share one range.
    assert len(lost) <= (1 if name == "mobnet" else 0), lost
    fake = np.asarray(prepared(x, training=False))
    assert np.abs(run.probabilities(converted, x) - fake).max() < 0.03


def test_fine_tuning_learns_ranges_and_weights() -> None:
    from ascmcu.quantize import qat
    from ascmcu.train.examples import Examples
    from ascmcu.train.recipe import Augment, Training

    model, x = network("dscnn"), clips("dscnn", 32)
    before = model.get_weights()
    examples = Examples(x, np.arange(32) % 4)
    training = Training(epochs=2, batch=8, learning_rate=1e-3)
    tuned = qat.fine_tune(model, examples, Augment(), training)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    start = qat.prepare(model)
    qat.observe(start, x)
    changed = [
        not np.array_equal(a, b) for a, b in zip(start.get_weights(), tuned.get_weights(), strict=True)
    ]
    assert sum(changed) > len(changed) / 2


def test_fine_tuning_nears_the_float_network() -> None:
    """The answers under fake quantization come closer to the float network's; labels, here all wrong, say nothing."""
    from ascmcu.quantize import qat
    from ascmcu.train.examples import Examples
    from ascmcu.train.recipe import Augment, Training

    model, x = network("dscnn"), clips("dscnn", 64)
    real = model.predict_on_batch(x)
    wrong = Examples(x, (real.argmax(axis=1) + 1) % 4)
    start = qat.prepare(model)
    qat.observe(start, x)
    tuned = qat.fine_tune(
        model, wrong, Augment(), Training(epochs=6, batch=16, learning_rate=1e-4, weight_decay=0.0)
    )

    def distance(prepared: Any) -> float:
        return float(np.mean((np.asarray(prepared(x, training=False)) - real) ** 2))

    assert 0 < distance(tuned) < 0.8 * distance(start)


def test_fine_tuning_goes_on(tmp_path: Path) -> None:
    """Cut off and begun again, it ends as if it had not been."""
    import keras

    from ascmcu.quantize import qat
    from ascmcu.train.examples import Examples
    from ascmcu.train.recipe import Augment, Training

    model, x = network("dscnn"), clips("dscnn", 16)
    examples, training = Examples(x, np.arange(16) % 4), Training(epochs=3, batch=8, learning_rate=1e-3)

    def made(state: Path | None, stop: int) -> list[np.ndarray]:
        def progress(epoch: Any) -> None:
            if epoch.epoch == stop:
                raise KeyboardInterrupt

        keras.utils.set_random_seed(1)
        return qat.fine_tune(model, examples, Augment(), training, progress, state).get_weights()

    whole = made(None, 0)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "state.npz", 2)
    assert (tmp_path / "state.npz").is_file()
    assert all(np.array_equal(a, b) for a, b in zip(whole, made(tmp_path / "state.npz", 0), strict=True))
