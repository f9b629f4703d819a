"""How torch runs: repeatably on one machine, and without returning memory that it needs again at once."""

import ctypes
import os
import random
import sys

import numpy as np
import torch

# Set by `python -m tasks` from runtime.cpu_threads.
THREADS_VARIABLE = "POLYDETOX_CPU_THREADS"
# The order in which threads add up a sum depends on their number, and so do the last digits of a CPU result.
DEFAULT_THREADS = 2
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc malloc.h


def set_up(seed: int) -> None:
    """Seeds every generator and asks torch for kernels that repeat; call before a model is built."""
    # cuBLAS reads this when its handle is made: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(int(os.environ.get(THREADS_VARIABLE, DEFAULT_THREADS)))
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Our kernels write everything they allocate; filling it first costs 8% of generation.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if sys.platform == "linux":
        # By default glibc maps and unmaps every tensor over 32 MB anew, which train_dpo does thousands of times.
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
    # What transformers.set_seed does, without importing transformers for it.
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
