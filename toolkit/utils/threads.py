"""How many threads the libraries of this process compute with."""

from __future__ import annotations

import os
import sys


def limit_threads(threads: int) -> None:
    """`threads` for torch and the OpenMP and MKL libraries, be they imported already or not; imports nothing."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # read when a library is imported
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
