"""Who may call a client's function beside the model itself."""

from __future__ import annotations

# The second is OpenAI's word, which its clients know; its own programs are JavaScript, and here they are Python.
CODE = ("code_interpreter", "programmatic")
