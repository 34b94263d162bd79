"""How fast an attack runs, against a plain loop, and what its honesty costs."""
