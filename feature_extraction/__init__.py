"""Feature extraction: one contract, one registry, one save loop; a script per family of models."""
