"""The overlay homelab against the shape of what ran before: every difference is listed here, and there is no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ostiary_delivery.manifests import overlay

ROOT = Path(__file__).resolve().parents[2]
POD = "spec.template.spec"

NEW_OBJECTS = {
    "ServiceAccount/authentik",  # without a token of the cluster
    "Service/authentik-worker",  # the worker's metrics
    "Service/authentik-metrics",  # metrics, reachable in the tailnet
    "Service/authentik-worker-metrics",
    "Job/authentik-migrate",
    "NetworkPolicy/ostiary-nothing",
    "NetworkPolicy/ostiary-pages",
    "NetworkPolicy/ostiary-database",
    "NetworkPolicy/ostiary-outbound",
    "NetworkPolicy/ostiary-metrics-tailscale",
    "NetworkPolicy/ostiary-valkey",
}
LABEL = "+metadata.labels.app"
LABELS = {LABEL, "+metadata.labels.app.kubernetes.io/name"}
WAVE = "+metadata.annotations.argocd.argoproj.io/sync-wave"  # the migration comes first
HARDENED = {
    "+spec.template.metadata.labels.app.kubernetes.io/name",  # what network policies select: no pod of authentik has it
    WAVE,
    f"+{POD}.automountServiceAccountToken",
    f"+{POD}.enableServiceLinks",
    f"+{POD}.securityContext.fsGroup",
    f"+{POD}.securityContext.runAsGroup",
    f"+{POD}.securityContext.runAsNonRoot",
    f"+{POD}.securityContext.runAsUser",
    f"+{POD}.securityContext.seccompProfile.type",
    *(
        f"+{POD}.containers.0.securityContext.{one}"
        for one in ("allowPrivilegeEscalation", "capabilities.drop.0", "readOnlyRootFilesystem")
    ),
}
OURS = {  # server and worker
    "+spec.strategy.type",  # two versions never meet
    f"+{POD}.terminationGracePeriodSeconds",
    f"~{POD}.containers.0.resources.limits.cpu",  # 1, which is how the API server keeps 1000m
    f"+{POD}.serviceAccountName",
    *(f"+{POD}.containers.0.volumeMounts.tmp.{one}" for one in ("mountPath", "name")),
    *(f"+{POD}.volumes.tmp.{one}" for one in ("name", "emptyDir.medium", "emptyDir.sizeLimit")),
    *(f"+{POD}.containers.0.env.AUTHENTIK_POSTGRESQL__SSLMODE.{one}" for one in ("name", "value")),
    *(f"+{POD}.containers.0.env.AUTHENTIK_LISTEN__TRUSTED_PROXY_CIDRS.{one}" for one in ("name", "value")),
    *(f"+{POD}.containers.0.env.OSTIARY_HOSTS.{one}" for one in ("name", "value")),  # no other is answered
    *(f"+{POD}.containers.0.ports.metrics.{one}" for one in ("name", "containerPort")),
    *(f"+{POD}.containers.0.startupProbe.{one}" for one in ("failureThreshold", "periodSeconds")),
    *(f"+{POD}.containers.0.startupProbe.httpGet.{one}" for one in ("path", "port")),
    f"~{POD}.containers.0.image",  # by digest
}
KEYS = ("secret-key", *(f"postgresql-{one}" for one in ("host", "port", "name", "user", "password")))
KEYS += tuple(f"{one}-client-secret" for one in ("grafana", "forgejo", "zot", "jellyfin", "argocd"))
DEFAULTS = ("conversionStrategy", "decodingStrategy", "metadataPolicy")
EXEC = ("exec.command.0", "exec.command.1", "exec.command.2", "periodSeconds", "timeoutSeconds")
DIFFERENCES = {
    "ConfigMap/authentik-blueprints": {*LABELS, "~metadata.name", "+data"},  # its name ends in a hash of its content
    "ExternalSecret/authentik-config": {
        LABEL,
        *(f"+spec.data.{key}.remoteRef.{one}" for key in KEYS for one in DEFAULTS),  # what the operator fills in
    },
    "Service/authentik": {
        *LABELS,
        "+metadata.labels.component",
        *(f"+spec.ports.metrics.{one}" for one in ("name", "port", "targetPort")),
    },
    "Service/authentik-redis": {LABEL, "+metadata.labels.component"},
    "Ingress/authentik-tailscale": {LABEL, WAVE, "~metadata.annotations.gethomepage.dev/name"},
    "Deployment/authentik-server": {
        *LABELS,
        *HARDENED,
        *OURS,
        f"+{POD}.containers.0.lifecycle.preStop.sleep.seconds",  # it answers until proxies know that it ends
        f"+{POD}.containers.0.volumeMounts.data.name",
        f"+{POD}.containers.0.volumeMounts.data.mountPath",
        f"+{POD}.volumes.data.name",
        f"+{POD}.volumes.data.emptyDir.sizeLimit",
        *(f"-{POD}.containers.0.{one}.initialDelaySeconds" for one in ("livenessProbe", "readinessProbe")),
        *(f"+{POD}.containers.0.{one}.timeoutSeconds" for one in ("livenessProbe", "readinessProbe")),
    },
    "Deployment/authentik-worker": {
        *LABELS,
        *HARDENED,
        *OURS,
        f"~{POD}.volumes.blueprints.configMap.name",  # the hash
        *(
            f"+{POD}.containers.0.{probe}.{one}"
            for probe in ("livenessProbe", "readinessProbe")
            for one in ("httpGet.path", "httpGet.port", "periodSeconds", "timeoutSeconds")
        ),
    },
    "Deployment/authentik-redis": {
        *LABELS,
        *HARDENED,
        f"~{POD}.containers.0.image",  # valkey, by digest
        f"+{POD}.containers.0.volumeMounts.data.name",
        f"+{POD}.containers.0.volumeMounts.data.mountPath",
        f"+{POD}.volumes.data.name",
        f"+{POD}.volumes.data.emptyDir.medium",
        f"+{POD}.volumes.data.emptyDir.sizeLimit",
        *(f"+{POD}.containers.0.{probe}.{one}" for probe in ("livenessProbe", "readinessProbe") for one in EXEC),
    },
}


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with its path; entries of lists are called by their names, containers by their numbers."""
    if isinstance(value, dict):
        if path == "data":
            yield path, value
            return
        for key, below in value.items():
            yield from flat(below, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            named = isinstance(one, dict) and not path.endswith("containers")
            name = (one.get("name") or one.get("secretKey") or number) if named else number
            yield from flat(one, f"{path}.{name}")
    else:
        yield path, value


def differences(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    old, new = dict(flat(before)), dict(flat(after))
    changed = {f"~{path}" for path in old.keys() & new.keys() if old[path] != new[path]}
    return changed | {f"-{path}" for path in old.keys() - new.keys()} | {f"+{path}" for path in new.keys() - old.keys()}


def called(one: dict[str, Any]) -> str:
    name = one["metadata"]["name"]
    return f"{one['kind']}/{name.rpartition('-')[0] if one['kind'] == 'ConfigMap' and name[-1] != 's' else name}"


@pytest.fixture(scope="module")
def before() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load((Path(__file__).parent / "homelab_before.yaml").read_text())
    for one in found:
        for container in one["spec"]["template"]["spec"]["containers"] if one["kind"] == "Deployment" else ():
            container["env"] = [*container.get("env", ()), *container.pop("more-env", ())]
            if not container["env"]:
                del container["env"]
    return {called(one): one for one in found}


@pytest.fixture(scope="module")
def after() -> dict[str, dict[str, Any]]:
    return {called(one): one for one in overlay.objects(overlay.find(ROOT, "homelab"))}


def test_the_eight_objects_are_there_and_the_new_ones_are_known(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> None:
    assert len(before) == 8
    assert after.keys() == before.keys() | NEW_OBJECTS


@pytest.mark.parametrize("name", sorted(DIFFERENCES))
def test_an_object_differs_in_what_is_listed_and_in_nothing_else(
    name: str, before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> None:
    assert differences(before[name], after[name]) == DIFFERENCES[name]


def test_every_object_was_compared(before: dict[str, dict[str, Any]]) -> None:
    assert before.keys() == DIFFERENCES.keys()


def test_hash_digest_and_probes_are_what_they_should_be(after: dict[str, dict[str, Any]]) -> None:
    config = after["ConfigMap/authentik-blueprints"]["metadata"]["name"]
    pods = {name: one["spec"]["template"]["spec"] for name, one in after.items() if name.startswith("Deployment/")}
    assert config.startswith("authentik-blueprints-")
    assert pods["Deployment/authentik-worker"]["volumes"][0]["configMap"]["name"] == config
    assert all("@sha256:" in pod["containers"][0]["image"] for pod in pods.values())
    assert "/ostiary-valkey:v" in pods["Deployment/authentik-redis"]["containers"][0]["image"]
    (worker,) = pods["Deployment/authentik-worker"]["containers"]
    assert worker["readinessProbe"]["httpGet"] == {"path": "/-/health/ready/", "port": 9300}
    for pod in pods.values():
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "fsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert pod["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
