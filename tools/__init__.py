"""What this repository needs and its users do not: measurements to be made, docs to be written."""
