"""How torch runs: repeatably on one machine, and without giving memory back that it needs again at once."""

import ctypes
import os
import sys

import torch
from transformers import set_seed

# Sums over threads are ordered by their number, so the number is part of a CPU result; two is what the smallest
# supported machine has. On a GPU it bounds only the host side.
CPU_THREADS = 2
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc malloc.h


def set_up(seed: int) -> None:
    """Seeds every generator and asks torch for kernels that repeat; call before a model is built."""
    # cuBLAS reads this when its handle is made: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(CPU_THREADS)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Our kernels write all that they allocate; filling it first costs 8% of generation.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if sys.platform == "linux":
        # By default glibc maps and unmaps every tensor over 32 MB anew, which train_dpo does thousands of times.
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
    set_seed(seed)
