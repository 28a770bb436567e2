"""An installation of its own for each test, as a first start makes it, without anything that listens."""

from __future__ import annotations

from pathlib import Path

from ostiary.settings import Settings, load


def settings_for(folder: Path, **environ: str) -> Settings:
    return load({"OSTIARY_DATA_DIR": str(folder), "OSTIARY_SECRET_KEY": "k" * 40, **environ}, default_file=None)
