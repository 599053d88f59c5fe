import numpy as np
import pytest

from aivm.errors import UnsupportedModel

F32 = np.float32


def test_dropout_passes_its_input_on(agree, rng):
    x = rng.normal(size=(3, 4)).astype(F32)
    agree("Dropout", {"x": x}, opset=13)
    agree("Dropout", {"x": x}, outputs=["y", "mask"], opset=13)
    agree("Dropout", {"x": x}, opset=7, ratio=0.3)


def test_identity(agree, rng):
    agree("Identity", {"x": rng.normal(size=(3, 4)).astype(F32)})


def test_dropout_in_training_drops_nothing_if_the_ratio_is_zero(agree, rng):
    x = rng.normal(size=(3, 4)).astype(F32)
    training = np.array(True)
    agree("Dropout", {"x": x}, constants={"r": np.array(0, F32), "t": training}, opset=13)
    with pytest.raises(UnsupportedModel, match="random"):
        agree("Dropout", {"x": x}, constants={"r": np.array(0.5, F32), "t": training}, opset=13)
