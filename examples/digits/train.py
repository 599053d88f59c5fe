"""Trains a small convolutional network on scikit-learn's digits and writes it as ONNX.

    python examples/digits/train.py

Needs numpy, onnx, and scikit-learn for the data only. The network is trained by the hundred lines
below. It writes two files beside itself:

    digits.onnx         images, float32 [batch, 1, 8, 8] in 0..1 -> probabilities [batch, 10]
    digits_samples.npz  test images that the network has never seen, with their labels
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
SEED = 7
EPOCHS = 60
BATCH = 32
TEST_IMAGES = 297
SAMPLES = 100

Array = np.ndarray[Any, np.dtype[np.float32]]
Weights = dict[str, Array]


def patches(images: Array) -> Array:
    """[N, C, H, W] -> [N, H, W, C * 9]: the 3 x 3 surroundings of each pixel, zero outside."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    batch, channels, height, width = images.shape
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(batch, height, width, channels * 9)


def unpatched(gradient: Array, channels: int) -> Array:
    """The transpose of `patches`: adds every patch back to where it came from."""
    batch, height, width, _ = gradient.shape
    split = gradient.reshape(batch, height, width, channels, 3, 3)
    padded = np.zeros((batch, channels, height + 2, width + 2), np.float32)
    for row in range(3):
        for column in range(3):
            target = padded[:, :, row : row + height, column : column + width]
            target += split[..., row, column].transpose(0, 3, 1, 2)
    return padded[:, :, 1:-1, 1:-1]


def pooled(images: Array) -> tuple[Array, Array]:
    """The largest of every 2 x 2 block, and where it was (shared among equals)."""
    batch, channels, height, width = images.shape
    blocks = images.reshape(batch, channels, height // 2, 2, width // 2, 2)
    largest = blocks.max(axis=(3, 5), keepdims=True)
    hits = (blocks == largest).astype(np.float32)
    return largest[:, :, :, 0, :, 0], hits / hits.sum(axis=(3, 5), keepdims=True)


def unpooled(gradient: Array, hits: Array) -> Array:
    spread = hits * gradient[:, :, :, None, :, None]
    batch, channels, height, _, width, _ = spread.shape
    return spread.reshape(batch, channels, height * 2, width * 2)


def step(weights: Weights, images: Array, labels: Array) -> tuple[Array, Weights]:
    """Probabilities of a batch, and the gradient of its cross-entropy."""
    state, tapes = images, []
    for layer in ("conv1", "conv2"):
        columns = patches(state)
        filters = weights[f"{layer}.weight"]
        sums = columns @ filters.reshape(len(filters), -1).T + weights[f"{layer}.bias"]
        active = np.maximum(sums, 0).transpose(0, 3, 1, 2)
        smaller, hits = pooled(active)
        tapes.append((layer, columns, active > 0, hits, state.shape[1]))
        state = smaller
    features = state.reshape(len(images), -1)
    logits = features @ weights["dense.weight"].T + weights["dense.bias"]
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = grown / grown.sum(axis=1, keepdims=True)

    slope = (probabilities - np.eye(10, dtype=np.float32)[labels]) / len(images)
    gradients = {"dense.weight": slope.T @ features, "dense.bias": slope.sum(axis=0)}
    back = (slope @ weights["dense.weight"]).reshape(state.shape)
    for layer, columns, positive, hits, channels in reversed(tapes):
        sums = (unpooled(back, hits) * positive).transpose(0, 2, 3, 1)
        filters = weights[f"{layer}.weight"]
        flat = sums.reshape(-1, len(filters))
        gradient = flat.T @ columns.reshape(len(flat), -1)
        gradients[f"{layer}.weight"] = gradient.reshape(filters.shape)
        gradients[f"{layer}.bias"] = flat.sum(axis=0)
        back = unpatched(sums @ filters.reshape(len(filters), -1), channels)
    return probabilities, gradients


def initial_weights(random: np.random.Generator) -> Weights:
    shapes = {"conv1": (8, 1, 3, 3), "conv2": (16, 8, 3, 3), "dense": (10, 64)}
    weights: Weights = {}
    for name, shape in shapes.items():
        scale = np.sqrt(2 / np.prod(shape[1:]))
        weights[f"{name}.weight"] = (random.normal(size=shape) * scale).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    return weights


def train(images: Array, labels: Array) -> Weights:
    """Adam, with a step size that falls linearly to zero."""
    random = np.random.default_rng(SEED)
    weights = initial_weights(random)
    means = {name: np.zeros_like(value) for name, value in weights.items()}
    squares = {name: np.zeros_like(value) for name, value in weights.items()}
    total = EPOCHS * (len(images) // BATCH)
    for count in range(1, total + 1):
        chosen = random.choice(len(images), BATCH, replace=False)
        _, gradients = step(weights, images[chosen], labels[chosen])
        for name, gradient in gradients.items():
            means[name] = 0.9 * means[name] + 0.1 * gradient
            squares[name] = 0.999 * squares[name] + 0.001 * gradient**2
            mean = means[name] / (1 - 0.9**count)
            size = np.sqrt(squares[name] / (1 - 0.999**count)) + 1e-8
            weights[name] -= (0.005 * (1 - count / total) * mean / size).astype(np.float32)
    return weights


def to_onnx(weights: Weights) -> bytes:
    pads = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = []
    state = "images"
    for place in (1, 2):
        name = f"conv{place}"
        inputs = [state, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", inputs, [name], name=name, **pads))
        nodes.append(helper.make_node("Relu", [name], [f"relu{place}"], name=f"relu{place}"))
        state = f"pool{place}"
        nodes.append(helper.make_node("MaxPool", [f"relu{place}"], [state], name=state, **pool))
    nodes.append(helper.make_node("Flatten", [state], ["features"], name="features", axis=1))
    dense = ["features", "dense.weight", "dense.bias"]
    nodes.append(helper.make_node("Gemm", dense, ["logits"], name="logits", transB=1))
    nodes.append(
        helper.make_node("Softmax", ["logits"], ["probabilities"], name="probabilities", axis=1)
    )
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="aivm")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    from sklearn.datasets import load_digits  # only needed here

    data = load_digits()
    images = (data.images / 16).astype(np.float32)[:, None]
    order = np.random.default_rng(SEED).permutation(len(images))
    test, rest = order[:TEST_IMAGES], order[TEST_IMAGES:]
    weights = train(images[rest], data.target[rest])
    probabilities, _ = step(weights, images[test], data.target[test])
    correct = int((probabilities.argmax(axis=1) == data.target[test]).sum())
    (HERE / "digits.onnx").write_bytes(to_onnx(weights))
    np.savez_compressed(
        HERE / "digits_samples.npz",
        images=images[test][:SAMPLES],
        labels=data.target[test][:SAMPLES].astype(np.int64),
    )
    print(f"{correct} of {len(test)} test images recognised")


if __name__ == "__main__":
    main()
