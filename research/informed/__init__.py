"""A network that sees what the file says beside its pixels, and its training data."""
