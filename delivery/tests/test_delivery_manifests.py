"""Manifests: put together by a real kustomize, valid by Kubernetes' own schemas, every image by tag and digest."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from delivery_world import World
from ostiary_delivery import cli, oci
from ostiary_delivery.check import check
from ostiary_delivery.errors import BadDefinition, Refusal
from ostiary_delivery.manifests import overlay, render
from ostiary_delivery.manifests.images import Reference, containers, find_own_images
from small_archive import write

ROOT = Path(__file__).resolve().parents[2]
KUSTOMIZE = ROOT / "deploy/kustomize"
KUBERNETES = ("1.30", "1.34")
FOREIGN = {"ExternalSecret", "ServiceMonitor", "PrometheusRule", "HTTPRoute", "Application"}
FOREIGN |= {"Cluster", "Database", "ObjectStore", "ScheduledBackup"}
OTHER = "sha256:" + "1" * 64
HOME = "deploy/kustomize/overlays/home"
PODS = {"Deployment", "StatefulSet", "Job"}
POD = """apiVersion: apps/v1
kind: Deployment
metadata: {name: door}
spec:
  selector: {matchLabels: {app: door}}
  template:
    metadata: {labels: {app: door}}
    spec:
      initContainers: [{name: first, image: door}]
      containers: [{name: door, image: door}]
"""
PINNED = f"""# kept as it is
namespace: home
resources: [../../base]
images:
  - name: door
    newName: registry.example:5000/house/door # here
    newTag: v1.2.0-0123456
    digest: {OTHER}
"""


EITHER = {"postgresql", "postgresql-ca"}, {"cnpg", "cnpg-backup"}  # one database
APART = {"argocd-application"}  # lies in another kustomization


def composed(folder: Path, components: Iterable[str]) -> list[dict[str, Any]]:
    """The overlay generic with some components, and an image for each program that is not ours."""
    shutil.copytree(KUSTOMIZE, folder)
    path = folder / "overlays/generic/kustomization.yaml"
    text = path.read_text() + "components:\n" + "".join(f"  - ../../components/{name}\n" for name in components)
    others = "".join(
        f"  - {{name: {name}, newTag: {tag}, digest: {OTHER}}}\n"
        for name, tag in (("ostiary-valkey", "v8.1.1-0123456"), ("postgresql", "v17.6"))
    )
    path.write_text(text.replace("images:\n", f"images:\n{others}"))
    return overlay.objects(path.parent)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The overlay generic with every component that can lie in one overlay; PostgreSQL is CloudNativePG's."""
    names = {one.name for one in (KUSTOMIZE / "components").iterdir()} - APART - EITHER[0]
    return composed(tmp_path_factory.mktemp("kustomize") / "kustomize", sorted(names))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a cluster without any operator can have."""
    names = ["autoscaling", "http-route", "ingress", "ingress-host-network", "postgresql", "valkey"]
    return composed(tmp_path_factory.mktemp("kustomize") / "kustomize", names)


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A PostgreSQL elsewhere, with a private authority."""
    return composed(tmp_path_factory.mktemp("kustomize") / "kustomize", ["postgresql-ca"])


SETS = ["generic", "sqlite", "homelab", "homelab/argocd", "everything", "plain", "trusting"]


@pytest.fixture(scope="module", params=SETS)
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    if request.param in {"everything", "plain", "trusting"}:
        answer: list[dict[str, Any]] = request.getfixturevalue(request.param)
        return answer
    return overlay.objects(overlay.find(ROOT, request.param))


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_valid(objects: list[dict[str, Any]], version: str) -> None:
    assert objects
    for one in objects:
        if one["kind"] in FOREIGN:
            with pytest.raises(kubernetes_validate.SchemaNotFoundError):
                kubernetes_validate.validate(one, version, strict=True)
        else:
            kubernetes_validate.validate(one, version, strict=True)
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(names) == len(set(names))


def test_every_pod_is_hardened_and_has_probes(objects: list[dict[str, Any]]) -> None:
    for one in objects:
        for container in containers(one):
            pod = one["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"]
            assert pod["securityContext"]["runAsUser"] == (999 if container["name"] == "postgresql" else 65534)
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert pod["automountServiceAccountToken"] is False
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["resources"].keys() == {"requests", "limits"}
            assert ("livenessProbe" in container) == ("readinessProbe" in container) == (one["kind"] != "Job")
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("which", ["everything", "plain"])
def test_every_service_and_policy_finds_the_pods_it_is_for(which: str, request: pytest.FixtureRequest) -> None:
    everything = request.getfixturevalue(which)
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in everything if one["kind"] in PODS]
    ports = {
        one["spec"]["template"]["metadata"]["labels"]["component"]: {
            port["containerPort"] for c in containers(one) for port in c.get("ports", ())
        }
        for one in everything
        if one["kind"] in PODS
    }
    for one in everything:
        if one["kind"] == "Service":
            selector = one["spec"]["selector"]
            chosen = [pod for pod in pods if selector.items() <= pod.items()]
            assert len(chosen) == 1, one["metadata"]["name"]
            for port in one["spec"]["ports"]:
                assert port["targetPort"] in ports[chosen[0]["component"]]
        if one["kind"] == "NetworkPolicy":
            selector = one["spec"]["podSelector"]
            assert selector["matchLabels"]["app"] == "ostiary"
            assert selector["matchLabels"]["app.kubernetes.io/name"] == "ostiary"  # no pod of authentik has it
            values = {value for rule in selector.get("matchExpressions", ()) for value in rule["values"]}
            assert values <= {pod["component"] for pod in pods}


def test_what_may_pass_is_what_is_needed(everything: list[dict[str, Any]]) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in everything if one["kind"] == "NetworkPolicy"}
    assert policies["ostiary-nothing"]["policyTypes"] == ["Ingress", "Egress"]
    assert policies["ostiary-nothing"].keys() == {"podSelector", "policyTypes"}
    passing = {
        (name, way, port["port"])
        for name, spec in policies.items()
        for way in ("ingress", "egress")
        for rule in spec.get(way, ())
        for port in rule["ports"]
    }
    assert passing == {
        ("ostiary-pages", "ingress", 9000),
        ("ostiary-metrics", "ingress", 9300),
        ("ostiary-metrics-tailscale", "ingress", 9300),
        ("ostiary-valkey", "ingress", 6379),
        ("ostiary-database", "egress", 53),
        ("ostiary-database", "egress", 5432),
        ("ostiary-outbound", "egress", 443),
    }
    assert all(rule.get("from") for spec in policies.values() for rule in spec.get("ingress", ()))
    assert all(rule.get("to") for spec in policies.values() for rule in spec.get("egress", ()))
    (https,) = policies["ostiary-outbound"]["egress"]
    assert https["to"][0]["ipBlock"] == {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}


def test_the_backup_plugin_names_an_object_store_that_is_there_and_leaves_no_default_out(
    everything: list[dict[str, Any]],
) -> None:
    """The fields are those of CloudNativePG 1.28; a field left out of a list is a difference at each apply."""
    (cluster,) = (one for one in everything if one["kind"] == "Cluster")
    (plugin,) = cluster["spec"]["plugins"]
    assert plugin.keys() == {"name", "enabled", "isWALArchiver", "parameters"}
    (store,) = (one for one in everything if one["kind"] == "ObjectStore")
    assert plugin["parameters"] == {"barmanObjectName": store["metadata"]["name"]}
    (backup,) = (one for one in everything if one["kind"] == "ScheduledBackup")
    assert backup["spec"]["pluginConfiguration"] == {"name": plugin["name"]}
    assert backup["spec"]["cluster"] == {"name": cluster["metadata"]["name"]}


def test_a_changed_blueprint_has_another_name(tmp_path: Path) -> None:
    shutil.copytree(KUSTOMIZE, tmp_path / "kustomize")
    names = []
    for more in ("", "# another word\n"):
        with (tmp_path / "kustomize/base/blueprints/house.yaml").open("a") as file:
            file.write(more)
        found = overlay.objects(tmp_path / "kustomize/overlays/generic")
        names += [one["metadata"]["name"] for one in found if one["kind"] == "ConfigMap"]
        worker = next(
            one for one in found if one["metadata"]["name"] == "ostiary-worker" and one["kind"] == "Deployment"
        )
        assert worker["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] == names[-1]
    assert names[0] != names[1]


def test_the_real_repository_agrees_with_its_manifests(world: World, tmp_path: Path) -> None:
    """Without built images: tags are of the declared versions, and nothing runs without a digest."""
    wrong = check(ROOT, images=tmp_path, cache=world.cache).problems
    assert [line for line in wrong if "deploy/" in line] == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("newTag: v0.1.0-", "newTag: v0.1.1-", "ostiary is 0.1.1 here, and 0.1.0 in containers/ostiary"),
        ("newTag: v8.1.1-", "newTag: v8.1.0-", "ostiary-valkey is 8.1.0 here, and 8.1.1 in containers/ostiary-valkey"),
        ("digest: sha256:", "other: sha256:", "ostiary has no digest"),
        (
            "name: ostiary\n",
            "name: somebody\n    newName: x/somebody\n  - name: nobody\n",
            "ostiary is used here, with",
        ),
        (
            "ostiary-valkey\n",
            "ostiary-redis\n",
            "homelab/kustomization.yaml:1: ostiary-valkey is used here, with neither",
        ),
    ],
)
def test_a_change_of_the_real_manifests_alone_is_caught(
    world: World, tmp_path: Path, old: str, new: str, said: str
) -> None:
    for name in ("containers", "deploy"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for file in ("service-versions.yaml", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path)
    assert check(tmp_path, images=tmp_path / "none", cache=world.cache).problems == []
    path = tmp_path / "deploy/kustomize/overlays/homelab/kustomization.yaml"
    text = path.read_text()
    head, images = text.split("images:\n")
    assert old in images
    images = images.replace(old, new) if "valkey\n" in old else images.replace(old, new, 1)
    if "nobody" in new:
        images = images.replace("house/ostiary\n", "house/nobody\n")
    path.write_text(f"{head}images:\n{images}")
    wrong = check(tmp_path, images=tmp_path / "none", cache=world.cache).problems
    assert len(wrong) == 1
    assert wrong[0].startswith("deploy/kustomize/overlays/homelab/kustomization.yaml:")
    assert said in wrong[0]


@pytest.fixture
def home(world: World) -> World:
    """The small world with an image that is built, and an overlay that is pinned to another."""
    world.lock()
    write(world.repository / "deploy/kustomize/base/kustomization.yaml", "resources: [door.yaml]\n")
    write(world.repository / "deploy/kustomize/base/door.yaml", POD)
    write(world.repository / HOME / "kustomization.yaml", PINNED)
    return world


def built(world: World, tag: str | None) -> str:
    image = world.build()
    oci.save(world.repository / "dist/images/door", image.image, blobs=image.blobs, tag=tag)
    return image.image.digest


def run(monkeypatch: pytest.MonkeyPatch, world: World, *words: str) -> int:
    monkeypatch.setenv("DELIVERY_CACHE", str(world.settings.cache))
    monkeypatch.chdir(world.repository)
    monkeypatch.setattr("sys.argv", ["ostiary-delivery", *words])
    return cli.main()


def images(text: str) -> set[str]:
    return {c["image"] for one in yaml.safe_load_all(text) for c in containers(one)}


def test_rendering_puts_in_what_was_built(
    home: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = "registry.example:5000/house/door"
    assert run(monkeypatch, home, "render", "home") == 0
    assert images(capsys.readouterr().out) == {f"{place}:v1.2.0-0123456@{OTHER}"}  # nothing is built: as it is pinned
    digest = built(home, None)
    assert run(monkeypatch, home, "render", "home") == 1
    assert "Deployment door: door was built anew as sha256:" in capsys.readouterr().err
    assert run(monkeypatch, home, "render", "home", "--tag", "door=v1.2.0-abcdef0") == 0
    assert images(capsys.readouterr().out) == {f"{place}:v1.2.0-abcdef0@{digest}"}
    built(home, "v1.2.0-7777777")
    out = tmp_path / "out"
    assert run(monkeypatch, home, "render", HOME, "--output", str(out)) == 0
    (path,) = out.iterdir()
    assert path.name == "deployment-door.yaml"
    assert images(path.read_text()) == {f"{place}:v1.2.0-7777777@{digest}"}
    (out / "deployment-gone.yaml").write_text(render.MARK)
    assert run(monkeypatch, home, "render", "home", "--output", str(out)) == 0
    assert list(out.iterdir()) == [path]
    (out / "mine.yaml").write_text("a: 1\n")
    assert run(monkeypatch, home, "render", "home", "--output", str(out)) == 2
    assert "mine.yaml was not rendered by this command" in capsys.readouterr().err
    assert path.exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("v1.2.0-0123456", "latest", "Deployment door: door: latest identifies nothing"),
        ("v1.2.0-0123456", "v1.1.0-0123456", "door is 1.1.0 here, and declared is 1.2.0"),
        ("v1.2.0-0123456", "v1.2.0", "does not say version and commit"),
        (f"    digest: {OTHER}\n", "", "door has no digest: build it"),
        (OTHER, "sha256:12", "door has no digest: build it"),
        ("/house/door", "/house/gate", "registry.example:5000/house/gate:v1.2.0-0123456 is not named by a digest"),
    ],
)
def test_what_must_not_be_rendered_is_refused(  # noqa: PLR0917 - fixtures and parameters
    home: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    path = home.repository / HOME / "kustomization.yaml"
    text = path.read_text().replace(old, new)
    path.write_text(text.replace(f"    digest: {OTHER}\n", "") if "gate" in new else text)
    assert run(monkeypatch, home, "render", "home") == 1
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_an_image_of_another_version_is_refused(home: World) -> None:
    built(home, "v1.2.0-7777777")
    home.change('version = "1.2.0"', 'version = "1.3.0"')
    with pytest.raises(Refusal, match=r"is version 1.2.0, and declared is 1.3.0: build it"):
        find_own_images(home.repository, images=home.repository / "dist/images", tags={})


def test_pinning_changes_two_values_and_nothing_else(
    home: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home.repository / HOME / "kustomization.yaml"
    assert run(monkeypatch, home, "pin") == 0
    assert capsys.readouterr().out == "nothing to write\n"
    digest = built(home, "v1.2.0-7777777")
    assert run(monkeypatch, home, "pin", "home") == 0
    assert path.read_text() == PINNED.replace("0123456", "7777777").replace(OTHER, digest)
    path.write_text(path.read_text().replace(f"    digest: {digest}\n", ""))
    assert run(monkeypatch, home, "pin") == 2
    assert "kustomization.yaml:5: door needs both newTag and digest" in capsys.readouterr().err


def test_what_kustomize_refuses_and_what_is_not_there(
    home: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, home, "render", "away") == 2
    assert "there is no overlay away" in capsys.readouterr().err
    (home.repository / "deploy/kustomize/base/door.yaml").write_text("kind: [")
    with pytest.raises(BadDefinition, match=r"home: accumulating resources.*did not find expected node"):
        overlay.objects(overlay.find(home.repository, "home"))


def test_kubectl_may_come_from_a_wheel_or_not_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(Refusal, match=r"kubectl was not found"):
        overlay.program()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/kubectl").touch()
    assert overlay.program() == [str(tmp_path / "bin/kubectl"), "kustomize"]
    (tmp_path / "kustomize").touch(mode=0o755)
    assert overlay.program() == [str(tmp_path / "kustomize"), "build"]


@pytest.mark.parametrize(
    "text", ["door", "registry:5000/a/door", "a/door:v1", f"a/door@{OTHER}", f"registry:5000/a/door:v1@{OTHER}"]
)
def test_a_reference_is_taken_apart_and_put_together(text: str) -> None:
    found = Reference.parse(text)
    assert (str(found), found.name) == (text, "door")
    assert ":5000" not in found.tag
