"""Open-vocabulary emotion scoring: reading labels, grouping synonyms, set metrics (entry script: main-ov.py)."""
