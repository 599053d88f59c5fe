from onnx import TensorProto, helper

from aivm.compiler.order import names_used, sort_nodes


def node(inputs, output, **attributes):
    return helper.make_node("Sum", inputs, [output], **attributes)


def graph(*nodes):
    return helper.make_graph(list(nodes), "g", [], [])


def outputs(found):
    return [name for each in found.node for name in each.output]


def test_sorted_nodes_stay_where_they_are():
    found = graph(node(["x"], "a"), node(["x"], "b"), node(["b", "a"], "c"))
    assert not sort_nodes(found)
    assert outputs(found) == ["a", "b", "c"]


def test_definitions_come_before_uses_and_the_rest_keeps_its_order():
    found = graph(node(["b"], "c"), node(["x"], "d"), node(["x"], "a"), node(["a"], "b"))
    assert sort_nodes(found)
    assert outputs(found) == ["d", "a", "b", "c"]


def test_a_subgraph_reads_names_around_it():
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    inner = helper.make_graph([node(["a"], "y")], "inner", [], [value])
    choice = helper.make_node("If", ["flag"], ["z"], then_branch=inner, else_branch=inner)
    assert "a" in set(names_used(choice))
    found = graph(choice, node(["x"], "a"))
    assert sort_nodes(found)
    assert outputs(found) == ["a", "z"]


def test_a_cycle_stays_as_it_is():
    found = graph(node(["b"], "a"), node(["a"], "b"))
    assert not sort_nodes(found)
    assert outputs(found) == ["a", "b"]
