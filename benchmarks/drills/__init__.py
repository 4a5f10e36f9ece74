"""Parts of fault_drills.py."""
