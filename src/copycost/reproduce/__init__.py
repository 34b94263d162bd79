"""Reproduce a paper's figures and analyses: run them, judge its claims, write pages."""
