"""What the settings take from the environment."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from insitu import Settings


def test_sizes_may_have_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSITU_MEMORY_BYTES", "2g")
    monkeypatch.setenv("INSITU_DISK_BYTES", "1048576")
    settings = Settings()
    assert (settings.memory_bytes, settings.disk_bytes) == (2 << 30, 1 << 20)


@pytest.mark.parametrize("size", ["lots", "0", "-1"])
def test_a_size_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setenv("INSITU_OUTPUT_BYTES", size)
    with pytest.raises(ValidationError, match="output_bytes"):
        Settings()
