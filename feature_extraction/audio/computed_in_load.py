"""Base of the extractors without a model: all work is done in `load`, so that worker processes share it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from feature_extraction.contract import Extractor


class ComputedInLoad(Extractor):
    """An audio extractor whose `load` gives the rows."""

    modality = "audio"
    dtype = "float32"

    def extract(self, batch: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """The arrays ``(T, D)`` that `load` made, one output each."""
        return [(rows,) for rows in batch]
