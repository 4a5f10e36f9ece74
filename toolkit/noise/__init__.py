"""Corrupted copies of clips (SPEC 7): speech mixed into the sound, pictures blurred, everything else kept."""
