"""The pane of glass: all an attacker can see of a victim, counted and written down."""
