"""copycost: what does it cost to copy your model?"""
