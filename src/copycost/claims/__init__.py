"""A paper's statements that measurements can contradict. Does not load PyTorch."""
