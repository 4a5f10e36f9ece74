"""Predictions of a saved model for clips or feature folders (``main-predict.py``)."""
