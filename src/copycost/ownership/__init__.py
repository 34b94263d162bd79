"""Ownership: does a suspect model agree with one's own where independent models do not?"""

PROBES = 1000
"""Images that every model is asked about."""
CONTROLS = 10
"""Independent models that are trained for a victim preset."""
LEAST_CONTROLS = 3
"""Fewer say too little of how far independent models differ."""
SURE = 0.01
"""The chance of an innocent model, below which a suspect is called a copy."""
