import onnx.defs
import pytest

from aivm.compiler import supported_operators
from aivm.compiler.registry import NEWEST_OPSET, find_rule, operator

# What MiniLM, BERT-like exports, convolutional nets and multi-layer perceptrons are made of.
NEEDED = """
Abs Add And AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv
ConvTranspose Cos CumSum Div Dropout Equal Erf Exp Expand Flatten Gather GatherElements GatherND
Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual HardSigmoid Identity If
InstanceNormalization LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul
MatMulInteger Max MaxPool Min Mul Neg Not Or Pad Pow Range Reciprocal ReduceL2 ReduceMax ReduceMean
ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Shape Sigmoid Sin Size Slice Softmax
Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Unsqueeze Where Xor
""".split()


def test_the_operators_of_ordinary_models_are_there():
    names = {entry.name for entry in supported_operators()}
    assert set(NEEDED) <= names


def test_every_version_of_a_needed_operator_since_opset_7():
    supported = {entry.name: entry.versions for entry in supported_operators()}
    for schema in onnx.defs.get_all_schemas_with_history():
        current = (
            onnx.defs.get_schema(schema.name, 7 if schema.since_version <= 7 else 28, "")
            if (schema.domain == "" and schema.name in NEEDED)
            else None
        )
        if current and current.since_version <= schema.since_version <= NEWEST_OPSET:
            assert schema.since_version in supported[schema.name], schema.name


def test_function_bodies_count_as_expanded():
    found = {entry.name: entry for entry in supported_operators()}
    assert found["Mish"].expanded
    assert not found["Softmax"].expanded


def test_the_rules_were_written_for_the_opsets_that_onnx_knows():
    assert onnx.defs.onnx_opset_version() <= NEWEST_OPSET, "read what changed, then raise the limit"


def test_versions_choose_the_rule():
    assert find_rule("", "Clip", 6) is not find_rule("", "Clip", 11)
    assert find_rule("", "Clip", 11) is find_rule("", "Clip", 13)
    assert find_rule("", "Clip", 1) is None


def test_two_rules_for_one_version_are_a_mistake():
    with pytest.raises(AssertionError, match="Relu"):
        operator("Relu", since=10)(lambda node: node.input(0))
