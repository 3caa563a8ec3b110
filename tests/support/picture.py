"""A figure that needs no package."""

from __future__ import annotations

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SHOW = f"""
import base64
class Picture:
    def _repr_png_(self): return base64.b64decode({PNG!r})
Picture()
"""
