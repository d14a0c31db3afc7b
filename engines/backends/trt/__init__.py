"""What TensorRT and TensorRT-RTX share: one code for all, decided by what a module has."""
