"""Studies of the library's own choices, each with a function, a record and a page of docs."""
