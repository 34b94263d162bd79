"""The transfer set: every input asked and what was released for it, on disk, if a run keeps it."""
