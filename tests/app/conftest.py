"""The installation of these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from app_core import settings_for

from ostiary.app.core import Core, open_core


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    opened = await open_core(settings_for(tmp_path), environ={}, create=True)
    yield opened
    await opened.close()
