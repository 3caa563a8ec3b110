"""Runs the Python that an AI model writes right where the model is served."""

from __future__ import annotations

__version__ = "0.1.0"
