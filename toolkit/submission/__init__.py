"""Submission files of the MER2024 tracks: written, and checked line by line (``python -m toolkit.submission``)."""
