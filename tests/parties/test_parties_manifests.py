"""npm's kubernetes-models: objects for Argo CD, External Secrets and the Prometheus operator, by their own schemas.

CloudNativePG publishes none there; its two objects are only read as YAML.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ostiary_delivery.manifests import overlay
from party_node import Node, environment

pytestmark = pytest.mark.party
ROOT = Path(__file__).resolve().parents[2]
KINDS = {"Application", "ExternalSecret", "ServiceMonitor"}


def judged(node: Node, objects: list[dict[str, Any]]) -> list[str | None]:
    given = json.dumps(objects)
    ended = subprocess.run(
        node.command("models.mjs"),
        input=given,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer: list[str | None] = json.loads(ended.stdout)
    return answer


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The objects of these kinds in both overlays, in Argo CD's, and in the component that no overlay has."""
    folder = tmp_path_factory.mktemp("manifests") / "kustomize"
    shutil.copytree(ROOT / "deploy/kustomize", folder)
    with (folder / "overlays/generic/kustomization.yaml").open("a") as file:
        file.write("components: [../../components/service-monitor, ../../components/external-secret]\n")
    names = ("generic", "homelab", "homelab/argocd")
    return [one for name in names for one in overlay.objects(folder / "overlays" / name) if one["kind"] in KINDS]


def test_they_are_valid(node: Node, objects: list[dict[str, Any]]) -> None:
    assert sorted(one["kind"] for one in objects) == [
        "Application",
        "ExternalSecret",
        "ExternalSecret",
        "ServiceMonitor",
    ]
    assert judged(node, objects) == [None] * 4


def test_a_mistake_would_be_seen(node: Node, objects: list[dict[str, Any]]) -> None:
    by_kind = {one["kind"]: json.loads(json.dumps(one)) for one in objects}
    del by_kind["Application"]["spec"]["destination"]
    by_kind["ExternalSecret"]["spec"]["data"][0]["remoteRef"] = {"property": "x"}
    by_kind["ServiceMonitor"]["spec"]["endpoints"][0]["port"] = 9300
    said = judged(node, [by_kind[kind] for kind in sorted(by_kind)])
    assert "required property destination" in (said[0] or "")
    assert "required property key" in (said[1] or "")
    assert "port must be string" in (said[2] or "")
