"""Many runs: a grid of them, done by workers on this machine or on a cluster."""
