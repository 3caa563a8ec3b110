"""Responses: from what is asked to the events and items of an answer."""
