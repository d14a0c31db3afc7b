"""The built-in model: MobileNetV2, its weights, its summary and its graph."""

from mobilenetv2.checkpoint import (
    WeightsError,
    load_weights,
    save_state_dict,
    state_dict_digest,
)
from mobilenetv2.graph import GraphError, GraphFile, draw_graph
from mobilenetv2.model import MobileNetV2
from mobilenetv2.summary import LayerSummary, Summary, summarise
from mobilenetv2.weights import builtin_state_dict

__all__ = [
    "GraphError",
    "GraphFile",
    "LayerSummary",
    "MobileNetV2",
    "Summary",
    "WeightsError",
    "builtin_state_dict",
    "draw_graph",
    "load_weights",
    "save_state_dict",
    "state_dict_digest",
    "summarise",
]
