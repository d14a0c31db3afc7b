"""How shares and the names of the code are written for a reader, everywhere the same way."""

from __future__ import annotations

# What stands for a value that nobody knows, and for an interval that hardly bounds one.
NOT_KNOWN = "not known"

# Words that names in code have in lower case only.
_SPELLED = {
    "mib": "MiB", "onednn": "oneDNN", "nhwc": "NHWC", "smt": "SMT", "cuda": "CUDA", "gpu": "GPU",
    "cudnn": "cuDNN", "cpu": "CPU", "tf32": "TF32", "onnx": "ONNX",
}  # fmt: skip
# Names that their words do not explain.
_CALLED = {"instead_of_cuda": "why not on CUDA"}


def spelled(name: str) -> str:
    """A name of the code as a reader knows it: workspace MiB, oneDNN."""
    return _CALLED.get(name) or " ".join(_SPELLED.get(word, word) for word in name.split("_"))


def percent(share: float, decimals: int = 0, *, signed: bool = False) -> str:
    """A share with a blank before its sign, as units have it: 0.043 is 4.3 %, `signed` +4.3 %.

    What rounds to nothing has no minus.
    """
    return f"{100 * share:{'+' if signed else ''}z,.{decimals}f} %"
