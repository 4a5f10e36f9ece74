"""Deterministic weights and inputs for the reference vectors in this folder.

`fill(key, shape)` depends on the key's text and the shape alone, so the same
state dict can be built anywhere without storing weights.
"""

import math
import zlib

import numpy as np


def fill(key, shape):
    """Return a float32 array of `shape` that is a pure function of (`key`, `shape`)."""
    shape = tuple(int(n) for n in shape)
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode("utf-8"))))
    x = rng.standard_normal(shape).astype(np.float32)
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if leaf == "running_var":
        return 0.5 + np.abs(x)
    if leaf in ("running_mean", "bias") or (leaf.startswith("bias_") and len(shape) == 1):
        return 0.1 * x
    if len(shape) <= 1:  # scales of normalisation layers
        return 1.0 + 0.1 * x
    return x / np.float32(math.sqrt(math.prod(shape[1:])))


def inputs(key, shape):
    """Return the standard-normal float32 model input named `key`."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode("utf-8"))))
    return rng.standard_normal(tuple(shape)).astype(np.float32)


def load_filled(module):
    """Load `fill` values into every entry of a torch module's state dict, in place."""
    import torch

    state = {
        k: torch.from_numpy(np.asarray(fill(k, v.shape))).to(v.dtype).reshape(v.shape)
        for k, v in module.state_dict().items()
    }
    module.load_state_dict(state)
    return module.eval()
