"""Secrets: complete because the manifests say which, random, in the form of who keeps them, and never in git."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ostiary_delivery import cli
from ostiary_delivery.errors import BadDefinition, Refusal
from ostiary_delivery.manifests import keys, overlay, secret_files, values
from ostiary_delivery.manifests.images import containers

ROOT = Path(__file__).resolve().parents[2]
DATABASE = {"postgresql-host": "db.example.org", "postgresql-name": "house", "postgresql-user": "house"}
GIVEN = [word for name, value in DATABASE.items() for word in ("--set", f"{name}={value}")]
HOMELAB = {"secret-key", *DATABASE, "postgresql-port", "postgresql-password"} | {
    f"{name}-client-secret" for name in ("grafana", "forgejo", "zot", "jellyfin", "argocd")
}


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["ostiary-delivery", "secrets", "init", *words])
    return cli.main()


def test_a_postgresql_of_our_own_needs_nothing_but_a_password(tmp_path: Path) -> None:
    want = composed(tmp_path / "kustomize", "postgresql")
    made = values.make(want, preset={})
    assert made.keys() == {"secret-key", "postgresql-password", "bootstrap-password", "bootstrap-token"}


def composed(folder: Path, *components: str) -> keys.SecretRequirements:
    """What the overlay generic with some components asks for."""
    shutil.copytree(ROOT / "deploy/kustomize", folder)
    path = folder / "overlays/generic/kustomization.yaml"
    path.write_text(path.read_text() + "components:\n" + "".join(f"  - ../../components/{one}\n" for one in components))
    return keys.required_secrets(overlay.objects(path.parent))


def test_the_set_of_the_homelab_is_what_its_external_secret_brings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "homelab", *GIVEN) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"authentik-config"}
    made = found["authentik-config"]
    assert made.keys() == HOMELAB
    assert {name: made[name] for name in DATABASE} == DATABASE
    assert made["postgresql-port"] == "5432"
    secret = [value for name, value in made.items() if values.SECRET.search(name)]
    assert len(secret) == len(set(secret)) == 7
    assert all(re.fullmatch(r"[A-Za-z0-9]{48}", value) for value in secret)
    assert run(monkeypatch, "homelab", *GIVEN) == 0
    again = json.loads(capsys.readouterr().out)["authentik-config"]
    assert not set(secret) & set(again.values())


def test_the_generic_set_makes_the_first_administrator(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "generic", *GIVEN, "--format", "env") == 0
    lines = capsys.readouterr().out.splitlines()
    made = dict(shlex.split(line)[0].split("=", 1) for line in lines)
    assert made["AUTHENTIK_POSTGRESQL__HOST"] == "db.example.org"
    assert {"AUTHENTIK_SECRET_KEY", "AUTHENTIK_BOOTSTRAP_PASSWORD", "AUTHENTIK_BOOTSTRAP_TOKEN"} <= made.keys()


def test_components_bring_their_keys_and_tell_what_they_know(tmp_path: Path) -> None:
    want = composed(tmp_path / "kustomize", "valkey", "valkey-password", "cnpg", "external-secret")
    made = values.make(want, preset={})  # host, name and user are those of the cluster
    assert len(made["valkey-password"]) == values.LENGTH
    listed = {
        one["metadata"]["name"]: one for one in yaml.safe_load_all(values.write(values.Form.KUBERNETES, made, want))
    }
    config, role = listed["ostiary-config"], listed["ostiary-pg-role"]
    assert config["stringData"]["postgresql-host"] == "ostiary-pg-rw"
    assert config["metadata"]["namespace"] == role["metadata"]["namespace"] == "ostiary"
    assert role["type"] == "kubernetes.io/basic-auth"
    assert role["metadata"]["labels"] == {"cnpg.io/reload": "true"}
    assert "labels" not in config["metadata"]
    assert role["stringData"] == {"username": "ostiary", "password": config["stringData"]["postgresql-password"]}
    item = json.loads(values.write(values.Form.ONEPASSWORD, made, want))
    assert item["title"] == "Ostiary"
    kinds = {field["label"]: field["type"] for field in item["fields"]}
    assert (kinds["postgresql-host"], kinds["postgresql-password"]) == ("STRING", "CONCEALED")
    assert kinds.keys() == made.keys()


def test_new_values_are_never_put_over_old_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`kubectl apply` would replace the secret key without a question; `create` refuses what is there."""
    assert run(monkeypatch, "generic", *GIVEN, "--format", "kubernetes") == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("# New values, for `kubectl create -f -`, never for apply")
    assert "never for apply" in shown.err
    assert [one["kind"] for one in yaml.safe_load_all(shown.out)] == ["Secret"]


def test_no_page_applies_secrets() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    lines = [line for page in pages for line in page.read_text().replace("\\\n", " ").splitlines()]
    wrong = [line for line in lines if "secrets init" in line and "kubectl" in line and "kubectl create" not in line]
    assert wrong == []
    assert any("kubectl create" in line for line in lines if "secrets init" in line)


def test_a_key_that_is_asked_for_and_not_brought_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """valkey's password is no field of the component external-secret: its pod would wait for ever."""
    composed(tmp_path / "kustomize", "valkey", "valkey-password", "external-secret")
    folder = tmp_path / "kustomize/overlays/generic"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["ostiary-delivery", "render", str(folder)])
    assert cli.main() == 1
    said = (
        "Deployment ostiary-valkey needs valkey-password, which the ExternalSecret of ostiary-config does not provide"
    )
    assert capsys.readouterr().err == f"ostiary-delivery: {said}\n"  # the optional bootstrap keys may be missing


def test_what_cannot_be_made_up_must_be_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "homelab") == 2
    assert "--set postgresql-host=... --set postgresql-name=... --set postgresql-user=..." in capsys.readouterr().err
    assert run(monkeypatch, "homelab", *GIVEN, "--set", "valkey=1") == 2
    assert "valkey is not needed; there are: secret-key" in capsys.readouterr().err
    assert run(monkeypatch, "homelab", "--set", "postgresql-host") == 2
    assert "needs a name and a value" in capsys.readouterr().err
    with pytest.raises(BadDefinition, match=r"postgresql-host is not one line"):
        values.make(
            keys.SecretRequirements(fields={"postgresql-host": "postgresql-host"}), preset={"postgresql-host": "a\nb"}
        )


def test_a_file_is_for_its_owner_alone_and_never_replaced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "secrets.json"
    assert run(monkeypatch, "homelab", *GIVEN, "--output", str(path)) == 0
    shown = capsys.readouterr()
    assert path.stat().st_mode & 0o777 == 0o600
    made = json.loads(path.read_text())["authentik-config"]
    assert shown.out == ""
    assert made["secret-key"] not in shown.err
    assert run(monkeypatch, "homelab", *GIVEN, "--output", str(path)) == 1
    assert "is there already" in capsys.readouterr().err
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refusal, match=r"is there already|cannot be written"):
        secret_files.save(link, "")
    with pytest.raises(Refusal, match=r"cannot be written"):
        secret_files.save(tmp_path / "no/folder", "")


def test_nothing_is_written_into_a_work_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / ".git").write_text("gitdir: elsewhere\n")  # as in a worktree
    (tmp_path / "link").symlink_to(tree / "deep")
    for folder in (tree, tree / "deep", tmp_path / "link"):
        with pytest.raises(Refusal, match=r"lies in the git work tree .*tree: secrets are not written there"):
            secret_files.save(folder / "secrets.env", "x=1\n")
    assert sorted(path.name for path in tree.rglob("*")) == [".git", "deep"]


def test_nor_by_sending_the_output_there(tmp_path: Path) -> None:
    """As a shell does it: `ostiary-delivery secrets init ... > file`."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / ".git").mkdir()
    command = [sys.executable, "-m", "ostiary_delivery", "secrets", "init", "homelab", *GIVEN]
    for folder, code in ((tree, 1), (tmp_path, 0)):
        with (folder / "secrets.json").open("wb") as out:
            ended = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, cwd=ROOT, check=False)
        assert ended.returncode == code, ended.stderr
        assert ((folder / "secrets.json").stat().st_size == 0) is (code == 1)
    reading, writing = os.pipe()  # a pipe is no file
    secret_files.require_outside_work_tree(writing)
    os.close(reading)
    os.close(writing)
    secret_files.require_outside_work_tree(writing)  # nor is what is closed


def test_nothing_secret_is_in_the_manifests() -> None:
    """No Secret is in git, and no variable has a value whose name says that it is one."""
    for name in overlay.names(ROOT):
        for one in overlay.objects(overlay.find(ROOT, name)):
            assert one["kind"] != "Secret"
            for container in containers(one):
                for variable in container.get("env", ()):
                    secret = re.search(r"(?i)password|secret|token|key$", variable["name"])
                    assert not secret or "secretKeyRef" in variable["valueFrom"], variable["name"]
