"""Graph Memory Fusion Network (Zadeh et al., "Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and
Interpretable Dynamic Fusion Graph", ACL 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import nn

from toolkit.models import ModelConfig
from toolkit.models.memory_fusion import MemoryFusion

_BOTTLENECK = 100  # width inside every sub-network of the graph
_MODALITIES = 3
Vertex = tuple[int, ...]  # the modalities a vertex stands for: (0,), (0, 1), (0, 1, 2), ...


def _subsets(vertex: Vertex, largest: int) -> list[Vertex]:
    return [subset for size in range(1, largest + 1) for subset in combinations(vertex, size)]


_VERTICES = _subsets(tuple(range(_MODALITIES)), _MODALITIES)
_FUSED = _VERTICES[_MODALITIES:]  # the vertices with a sub-network: pairs, then all three
_PARENTS = {vertex: _subsets(vertex, len(vertex) - 1) for vertex in _FUSED}


class DynamicFusionGraph(nn.Module):
    """Fuse three vertices ``(B, T, H)`` bottom up into one output ``(B, T, H)``.

    Every fused vertex, and the output, is a sub-network over its parents, each times an efficacy; the 19 efficacies
    come from the three input vertices. There is no non-linearity inside. In the reference the sub-networks of the fused
    vertices were outside the module's parameters and never trained; here they are trained.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.networks = nn.ModuleDict({_name(v): _sub_network(len(_PARENTS[v]) * hidden, hidden) for v in _FUSED})
        self.t_network = _sub_network(len(_VERTICES) * hidden, hidden)
        efficacies = sum(len(parents) for parents in _PARENTS.values()) + len(_VERTICES)  # 2 + 2 + 2 + 6 + 7
        self.efficacy_model = _sub_network(_MODALITIES * hidden, hidden)
        self.efficacy_model.append(nn.Linear(hidden, efficacies))

    def forward(self, modalities: Sequence[torch.Tensor]) -> torch.Tensor:
        values = {(index,): value for index, value in enumerate(modalities)}
        efficacies = iter(self.efficacy_model(torch.cat(list(modalities), dim=-1)).split(1, dim=-1))  # 19 of B, T, 1
        for vertex in _FUSED:
            parents = [values[parent] * next(efficacies) for parent in _PARENTS[vertex]]
            values[vertex] = self.networks[_name(vertex)](torch.cat(parents, dim=-1))
        return self.t_network(torch.cat([values[vertex] * next(efficacies) for vertex in _VERTICES], dim=-1))


def _name(vertex: Vertex) -> str:
    return "_".join(map(str, vertex))


def _sub_network(in_size: int, out_size: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_size, _BOTTLENECK), nn.Sequential(nn.Linear(_BOTTLENECK, out_size)))


class GraphMFN(MemoryFusion):
    """The memory is fed by a graph over the LSTMs' hidden states of this frame and the one before.

    Hyper-parameters: ``hidden_dim``, ``mem_dim``, ``dropout``. Feature types: ``frm_align``.
    """

    def __init__(self, config: ModelConfig) -> None:
        hidden = int(config.hyper["hidden_dim"])
        super().__init__(config, attended_dim=hidden)
        self.l_transform = nn.Linear(2 * hidden, hidden)
        self.a_transform = nn.Linear(2 * hidden, hidden)
        self.v_transform = nn.Linear(2 * hidden, hidden)
        self.graph_mfn = DynamicFusionGraph(hidden)

    def attend(self, hiddens: Sequence[torch.Tensor], cells: Sequence[torch.Tensor]) -> torch.Tensor:
        """The graph's output ``(B, T, H)``."""
        transforms = (self.l_transform, self.a_transform, self.v_transform)
        vertices = []
        for transform, hidden in zip(transforms, hiddens, strict=True):
            before = torch.cat([torch.zeros_like(hidden[:, :1]), hidden[:, :-1]], dim=1)
            vertices.append(torch.relu(transform(torch.cat([before, hidden], dim=2))))
        return self.graph_mfn(vertices)
