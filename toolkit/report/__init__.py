"""The report of a search: one self-contained HTML page (``python -m toolkit.report DIR...``)."""
