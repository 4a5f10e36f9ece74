"""MER2024 toolkit: data, models, training and scoring for multimodal emotion recognition."""

__version__ = "0.1.0"
