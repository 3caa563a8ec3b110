"""The turn: the loop of model and tools that answers one request."""
