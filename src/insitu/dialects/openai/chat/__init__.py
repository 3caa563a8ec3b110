"""Chat completions: with code as a turn, without it as the model server's own answer."""
