"""The parts of this repository's README and docs that are written from its committed records."""
