"""The parts of the README and docs that are generated from committed records."""
