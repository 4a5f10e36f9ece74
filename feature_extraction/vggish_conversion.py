r"""VGGish from TensorFlow's checkpoint to torch, once: vggish_model.ckpt -> tools/vggish/vggish.pth.

    python -m feature_extraction.vggish_conversion vggish_model.ckpt            # where tensorflow is installed
    python -m feature_extraction.vggish_conversion vggish_model.npz             # anywhere

vggish_model.ckpt is Google's release (storage.googleapis.com/audioset/vggish_model.ckpt). Reading it takes the package
tensorflow (any 2.x; it is needed for nothing else here). Where tensorflow cannot be installed beside this toolkit, make
the .npz in an environment that has it:

    python -c "import numpy, tensorflow as tf; r = tf.train.load_checkpoint('./vggish_model.ckpt'); \
        numpy.savez('vggish_model.npz', **{k: r.get_tensor(k) for k in r.get_variable_to_shape_map()})"
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils import atomic
from toolkit.utils.errors import UserError, run_main

if TYPE_CHECKING:
    import torch

LAYERS = {  # TensorFlow's scope -> place in the PyTorch port
    "vggish/conv1": "features.0",
    "vggish/conv2": "features.3",
    "vggish/conv3/conv3_1": "features.6",
    "vggish/conv3/conv3_2": "features.8",
    "vggish/conv4/conv4_1": "features.11",
    "vggish/conv4/conv4_2": "features.13",
    "vggish/fc1/fc1_1": "embeddings.0",
    "vggish/fc1/fc1_2": "embeddings.2",
    "vggish/fc2": "embeddings.4",
}


def convert_vggish(source: Path, target: Path) -> None:
    """Write the state dict of `Vggish` into `target` (whole or not at all).

    Raises:
        UserError: `source` cannot be read or is not VGGish; the message names the variable.
    """
    import torch

    from feature_extraction.audio.vggish_network import Vggish
    from feature_extraction.torch_checkpoint import load_weights

    state = state_dict(_read_npz(source) if source.suffix == ".npz" else _read_tensorflow(source), source)
    with torch.device("meta"):
        network = Vggish()
    load_weights(network, state, source)  # checks every shape
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_with(target, lambda file: torch.save(state, file))


def state_dict(variables: Mapping[str, np.ndarray], source: Path) -> dict[str, torch.Tensor]:
    """TensorFlow's variables under the port's keys: kernels (H, W, in, out) -> (out, in, H, W), matrices transposed.

    Raises:
        UserError: a variable is missing.
    """
    import torch

    state = {}
    for scope, place in LAYERS.items():
        for name in ("weights", "biases"):
            if f"{scope}/{name}" not in variables:
                raise UserError(f"{source}: holds no variable {scope}/{name}; it is not Google's VGGish checkpoint")
        kernel = np.asarray(variables[f"{scope}/weights"], np.float32)
        # axes from the last to the first, the two spatial ones kept in their order
        kernel = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        state[f"{place}.weight"] = torch.from_numpy(np.ascontiguousarray(kernel))
        state[f"{place}.bias"] = torch.from_numpy(np.array(variables[f"{scope}/biases"], np.float32))
    return state


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    import zipfile

    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable .npz of arrays ({' '.join(str(error).split())})") from error


def _read_tensorflow(path: Path) -> dict[str, np.ndarray]:
    try:
        import tensorflow
    except ImportError as error:
        raise UserError(
            f"{path}: reading a TensorFlow checkpoint needs the package tensorflow ({error}); install it, or convert "
            "an .npz made elsewhere (see `python -m feature_extraction.vggish_conversion --help`)"
        ) from error
    try:
        # a bare file name is taken for a name in a table of checkpoints: give the whole path
        reader = tensorflow.train.load_checkpoint(str(path.resolve()))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (ValueError, RuntimeError, tensorflow.errors.OpError) as error:
        raise UserError(f"{path}: not a readable TensorFlow checkpoint ({' '.join(str(error).split())})") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Convert."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="vggish_model.ckpt, or an .npz of its variables")
    default = PATH_TO_PRETRAINED_MODELS / "vggish" / "vggish.pth"
    parser.add_argument("--target", type=Path, default=default, help="the torch file (default tools/vggish/vggish.pth)")
    args = parser.parse_args(argv)
    # a checkpoint in TensorFlow's newer format is several files with this prefix
    if not args.source.is_file() and not Path(f"{args.source}.index").is_file():
        raise UserError(f"{args.source} does not exist")
    convert_vggish(args.source, args.target)
    print(f"wrote {args.target}")
    return 0


if __name__ == "__main__":
    run_main(main)
