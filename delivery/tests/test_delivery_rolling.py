"""What a cluster does with manifests at the next apply: nothing when nothing changed, and the right thing when it did."""

from __future__ import annotations

import contextlib
import copy
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ostiary_delivery import cli
from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.manifests import overlay, rolling

ROOT = Path(__file__).resolve().parents[2]
KUSTOMIZE = ROOT / "deploy/kustomize"
OVERLAYS = ["generic", "sqlite", "homelab"]
QUANTITY = re.compile(r"(?P<number>[0-9]+)(?P<unit>m|Ki|Mi|Gi)?")
DRAIN = 20  # seconds that the server takes at most


def one_of(objects: list[dict[str, Any]], kind: str, end: str = "") -> dict[str, Any]:
    (found,) = (one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(end))
    return found


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for one in objects:
        if one["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield one, one["spec"]["template"]["spec"]


def wave(one: dict[str, Any]) -> int:
    return int(one["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0"))


@pytest.mark.parametrize("name", OVERLAYS)
def test_two_versions_never_run_beside_each_other(name: str) -> None:
    for one, _ in pods(overlay.objects(overlay.find(ROOT, name))):
        if one["metadata"]["name"].endswith(("-server", "-worker")):
            assert one["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_pod_answers_until_proxies_know_that_it_ends(name: str) -> None:
    objects = overlay.objects(overlay.find(ROOT, name))
    pod = one_of(objects, "Deployment", "-server")["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause == 5
    assert pod["terminationGracePeriodSeconds"] == 35 > pause + DRAIN


@pytest.mark.parametrize("name", ["generic", "homelab"])
def test_probes_of_the_worker_ask_whether_its_tasks_turn(name: str) -> None:
    """Metrics are answered while all tasks are dead."""
    (worker,) = one_of(overlay.objects(overlay.find(ROOT, name)), "Deployment", "-worker")["spec"]["template"]["spec"][
        "containers"
    ]
    asked = {probe: worker[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    live, ready = "/-/health/live/", "/-/health/ready/"
    assert asked == {"startupProbe": live, "livenessProbe": live, "readinessProbe": ready}


def test_nothing_is_written_in_another_form_than_the_api_server_keeps() -> None:
    """`1000m` is kept as `1`, and a server-side apply then finds a difference for ever."""
    told = [
        (path.name, value)
        for path in sorted(KUSTOMIZE.rglob("*.yaml"))
        for value in re.findall(
            r"^ *(?:cpu|memory|storage|sizeLimit): \"?([^\"\n#]+?)\"?$", path.read_text(), re.MULTILINE
        )
    ]
    assert len(told) > 15
    for name, value in told:
        found = QUANTITY.fullmatch(value)
        assert found, (name, value)
        shorter = 1000 if found["unit"] == "m" else 1024
        assert found["unit"] in {None, "Gi"} or int(found["number"]) % shorter, f"{name}: {value} has a shorter form"


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_migration_comes_after_what_it_needs_and_before_the_deployments(name: str) -> None:
    objects = overlay.objects(overlay.find(ROOT, name))
    waves = {f"{one['kind']}/{one['metadata']['name']}": wave(one) for one in objects}
    jobs = [one for one in objects if one["kind"] == "Job"]
    for key, number in waves.items():
        kind = key.partition("/")[0]
        if kind in {"ServiceAccount", "ConfigMap", "NetworkPolicy", "ExternalSecret"}:
            assert number == 0, key
        elif kind == "Deployment":
            assert number == 2, key
        elif kind == "Ingress":
            assert number == 3, f"{key}: nothing may wait for its address"
    for job in jobs:
        assert wave(job) == 1
        assert job["spec"]["ttlSecondsAfterFinished"] == 600
        assert job["metadata"]["annotations"]["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"


def test_argo_cd_removes_last_and_keeps_data() -> None:
    application = one_of(overlay.objects(overlay.find(ROOT, "homelab/argocd")), "Application")
    assert "PruneLast=true" in application["spec"]["syncPolicy"]["syncOptions"]
    volume = one_of(overlay.objects(overlay.find(ROOT, "sqlite")), "PersistentVolumeClaim")
    assert "Prune=false" in volume["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]


def test_no_autoscaler_without_a_metrics_server() -> None:
    """In the base an autoscaler that never hears of a load is unhealthy, and every sync ends as failed."""
    for name in OVERLAYS:
        objects = overlay.objects(overlay.find(ROOT, name))
        assert not [one for one in objects if one["kind"] == "HorizontalPodAutoscaler"]
    generic = overlay.objects(overlay.find(ROOT, "generic"))
    assert one_of(generic, "Deployment", "-server")["spec"]["replicas"] == 2


def test_sqlite_runs_in_one_process_on_a_volume() -> None:
    objects = overlay.objects(overlay.find(ROOT, "sqlite"))
    (one, pod), *others = pods(objects)
    assert others == []
    assert one["spec"]["replicas"] == 1
    (container,) = pod["containers"]
    assert container["args"] == ["serve"]
    assert not [each["name"] for each in container["env"] if "POSTGRESQL" in each["name"]]
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == "ostiary-data"
    assert {"name": "data", "mountPath": "/data"} in container["volumeMounts"]


def test_ports_of_the_nodes_stay_shut() -> None:
    objects = overlay.objects(overlay.find(ROOT, "homelab"))
    balanced = [one for one in objects if one["kind"] == "Service" and one["spec"].get("type") == "LoadBalancer"]
    assert len(balanced) == 2
    assert all(one["spec"]["allocateLoadBalancerNodePorts"] is False for one in balanced)


def test_a_changed_job_has_another_name_and_the_same_keeps_its_own() -> None:
    before = overlay.objects(overlay.find(ROOT, "generic"))
    after, changed = copy.deepcopy(before), copy.deepcopy(before)
    one_of(changed, "Job")["spec"]["template"]["spec"]["containers"][0]["image"] = "ostiary:v9"
    for each in (before, after, changed):
        rolling.name_jobs(each)
    names = [one_of(each, "Job")["metadata"]["name"] for each in (before, after, changed)]
    assert names[0] == names[1] != names[2]
    assert re.fullmatch(r"ostiary-migrate-[0-9a-f]{10}", names[0])
    with pytest.raises(BadDefinition, match=r"leaves no room"):
        rolling.name_jobs([{"kind": "Job", "metadata": {"name": "x" * 60}, "spec": {}}])


def secret(value: str) -> str:
    return yaml.safe_dump({"kind": "Secret", "metadata": {"name": "ostiary-config"}, "data": {"secret-key": value}})


def rendered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, *words: str
) -> tuple[int, list[dict[str, Any]], str]:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    monkeypatch.setattr("sys.argv", ["ostiary-delivery", "render", "generic", "-C", str(ROOT), *words])
    code = cli.main()
    shown = capsys.readouterr()
    return code, list(yaml.safe_load_all(shown.out)), shown.err


def checksums(objects: list[dict[str, Any]]) -> set[str]:
    templates = [one["spec"]["template"] for one, _ in pods(objects)]
    return {one["metadata"].get("annotations", {}).get(rolling.CHECKSUM, "") for one in templates}


def test_a_changed_secret_makes_new_pods(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    code, first, _ = rendered(monkeypatch, capsys, secret("YQ=="), "--secrets", "-")
    assert code == 0
    assert checksums(first) == checksums(rendered(monkeypatch, capsys, secret("YQ=="), "--secrets", "-")[1])
    listed = yaml.safe_dump({"kind": "SecretList", "items": [yaml.safe_load(secret("Yg=="))]})
    (tmp_path / "secrets").write_text(listed)
    changed = checksums(rendered(monkeypatch, capsys, "", "--secrets", "secrets")[1])
    assert len(changed) == 1
    assert changed.isdisjoint(checksums(first))
    assert checksums(rendered(monkeypatch, capsys, "")[1]) == {""}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected Secrets"),
        ("kind: ConfigMap\nmetadata: {name: ostiary-config}\n", "expected Secrets"),
        ("kind: [", "cannot be read"),
        ("kind: Secret\nmetadata: {name: another}\n", "reads ostiary-config, which is not given"),
    ],
)
def test_what_is_no_secret_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    code, objects, err = rendered(monkeypatch, capsys, text, "--secrets", "-")
    assert (code, objects) == (2, [])
    assert said in err
    assert rendered(monkeypatch, capsys, "", "--secrets", "/not/there")[0] == 2


@given(st.text())
def test_reading_secrets_ends_in_secrets_or_in_a_plain_error(text: str) -> None:
    with contextlib.suppress(BadDefinition):
        assert rolling.read_secrets(text)
