"""The report of a corpus root: what is there, what is missing, what is odd (``python -m toolkit.check``)."""
