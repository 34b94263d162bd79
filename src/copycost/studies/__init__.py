"""Measurements of the library's own choices, each a function, a record and a page of docs."""
