"""Google's Interactions: answers in steps, which are stored and gone on from."""
