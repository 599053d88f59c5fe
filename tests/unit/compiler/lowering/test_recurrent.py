import numpy as np
import pytest

F32 = np.float32
LENGTH, BATCH, INSIDE, HIDDEN = 5, 3, 4, 6
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
OUTPUTS = {"RNN": ["y", "h"], "GRU": ["y", "h"], "LSTM": ["y", "h", "c"]}


def weights(rng, operator, directions=1, *, bias=True):
    gates = GATES[operator]
    shapes = {"w": (directions, gates * HIDDEN, INSIDE), "r": (directions, gates * HIDDEN, HIDDEN)}
    if bias:
        shapes["b"] = (directions, 2 * gates * HIDDEN)
    return {name: (rng.normal(size=shape) * 0.4).astype(F32) for name, shape in shapes.items()}


def sequence(rng):
    return {"x": rng.normal(size=(LENGTH, BATCH, INSIDE)).astype(F32)}


@pytest.mark.parametrize("operator", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("bias", [False, True])
def test_directions(agree, rng, operator, direction, bias):
    agree(
        operator,
        sequence(rng),
        constants=weights(rng, operator, 2 if direction == "bidirectional" else 1, bias=bias),
        outputs=OUTPUTS[operator],
        hidden_size=HIDDEN,
        direction=direction,
    )


@pytest.mark.parametrize("operator", GATES)
@pytest.mark.parametrize("known", [False, True])
def test_lengths_and_initial_states(agree, rng, operator, known):
    feeds, constants = sequence(rng), weights(rng, operator, 2)
    lengths = {"lengths": np.array([5, 2, 3], np.int32)}
    (constants if known else feeds).update(lengths)
    names = ["h0", "c0"] if operator == "LSTM" else ["h0"]
    for name in names:
        feeds[name] = rng.normal(size=(2, BATCH, HIDDEN)).astype(F32)
    agree(
        operator,
        feeds,
        constants=constants,
        inputs=["x", "w", "r", "b", "lengths", *names],
        outputs=OUTPUTS[operator],
        hidden_size=HIDDEN,
        direction="bidirectional",
    )


def test_linear_before_reset(agree, rng):
    constants = weights(rng, "GRU")
    agree("GRU", sequence(rng), constants=constants, hidden_size=HIDDEN, linear_before_reset=1)


def test_peepholes_clip_and_coupled_gates(agree, rng):
    constants = weights(rng, "LSTM")
    constants["p"] = rng.normal(size=(1, 3 * HIDDEN)).astype(F32)
    inputs = ["x", "w", "r", "b", "", "", "", "p"]
    for extra in ({}, {"clip": 0.3}, {"input_forget": 1}):
        agree(
            "LSTM",
            sequence(rng),
            constants=constants,
            inputs=inputs,
            outputs=OUTPUTS["LSTM"],
            hidden_size=HIDDEN,
            **extra,
        )


def test_named_activations(agree, rng):
    constants = weights(rng, "RNN", 2)
    agree(
        "RNN",
        sequence(rng),
        constants=constants,
        hidden_size=HIDDEN,
        direction="bidirectional",
        activations=["Relu", "ScaledTanh"],
        activation_alpha=[0.5],
        activation_beta=[0.7],
    )
