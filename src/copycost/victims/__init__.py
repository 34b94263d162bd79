"""The owner's side: models that answer, each with a declared input and output."""
