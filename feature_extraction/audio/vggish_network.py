"""The VGGish network in torch: log-mel examples ``(N, 96, 64)`` -> embeddings ``(N, 128)``.

Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017 (configuration A of VGG, with
four max-pools). State-dict keys are those of the PyTorch port ``vggish-10086976.pth`` (harritaylor/torchvggish), which
holds the weights of Google's TensorFlow release.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from feature_extraction.torch_checkpoint import load_weights, read_checkpoint

WIDTH = 128
CONVOLUTIONS = ((64, "pool"), (128, "pool"), (256,), (256, "pool"), (512,), (512, "pool"))  # 3x3, padding 1
HIDDEN = 4096
FLAT = 6 * 4 * 512  # what four halvings leave of 96 x 64, times channels
POST_PROCESSING = "pproc."  # PCA parameters that some copies of the checkpoint carry; not used here


class Vggish(nn.Module):
    """Embeddings before the last activation, as in Google's code since 2020.

    Google's code before that, and the PyTorch port, end in a ReLU: `relu` adds it.
    """

    def __init__(self, relu: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width, *pool in CONVOLUTIONS:
            layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(2)] if pool else []
            channels = width
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(FLAT, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, WIDTH),
            nn.ReLU(inplace=True) if relu else nn.Identity(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embeddings ``(N, 128)`` of log-mel examples ``(N, 96, 64)``."""
        maps = self.features(x.unsqueeze(1))  # (N, 512, 6, 4): channels, time, band
        return self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))  # TensorFlow flattens with channels last


def load_vggish(path: Path, relu: bool = False) -> Vggish:
    """The network with the weights of a checkpoint file, in eval mode.

    Raises:
        UserError: the file is unreadable, or holds another network; the message names the first wrong key.
    """
    state = read_checkpoint(path)
    weights = {key: value for key, value in state.items() if not str(key).startswith(POST_PROCESSING)}
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
        network = Vggish(relu)
    return load_weights(network, weights, path)
