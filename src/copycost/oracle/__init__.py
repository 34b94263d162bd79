"""The oracle: all that an attacker can see of a victim, every query counted and written down."""
