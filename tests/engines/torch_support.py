"""What tests of PyTorch share."""

from __future__ import annotations

# A GPU as `engines.backends.cuda` describes it.
GPU = {"index": 0, "name": "NVIDIA H200", "compute_capability": "9.0", "uuid": "GPU-0",
       "memory_bytes": 150_000_000_000}  # fmt: skip
