"""How torch is set up while training: one device, a fixed number of threads, deterministic."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def select_device(use_gpu: bool) -> torch.device:
    """The GPU when it is wanted and there is one, else the CPU."""
    if use_gpu and torch.cuda.is_available():
        # cuBLAS is deterministic only with a workspace of fixed size.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        return torch.device("cuda")
    return torch.device("cpu")


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Deterministic algorithms and `threads` threads inside; as it was before afterwards.

    Sums split over another number of threads round differently, so the number is part of a run.
    """
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")  # its alternative would load torch's compiler
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
