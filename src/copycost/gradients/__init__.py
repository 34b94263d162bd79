"""Gradients of what can only be asked: estimates by finite differences, and their quality."""
