"""Time, evaluation and storage: everything about a run that is not the attack's arithmetic."""
