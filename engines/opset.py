"""The ONNX opset of exported files: for the driver's fingerprints and the worker's exporter."""

# TensorRT 8.6's parser reads opset 17 and older, and misreads newer ones in silence.
OPSET = 17
