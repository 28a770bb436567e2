"""What programs that nobody here wrote say of the real images: cosign and skopeo of signatures, syft of packages, the
CycloneDX project's schema of the bill of materials.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ostiary_delivery import lockfile
from ostiary_delivery.registry import Place, Registry
from real_images import COMMAND, NAMES, TAG, Layouts, deliver, ended_well

pytestmark = pytest.mark.image
NOTE, PROGRAM = "elf-binary-package-cataloger", "binary-classifier-cataloger"
MORE = {
    "ostiary": {(NOTE, "gcc-14"), (NOTE, "libzstd"), (NOTE, "util-linux"), (PROGRAM, "python")},
    "ostiary-valkey": {(NOTE, "gcc-14"), (NOTE, "libzstd"), (NOTE, "systemd")},
}
"""All that syft finds and the bill does not list: by its note in a library the source package that was built from, and
Python once more by its program. The packages that brought these files are in both.
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_bill_is_good_cyclonedx(checkout: Path, layouts: Layouts, name: str) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    bill = ended_well(deliver(checkout, "sbom", name))
    judge = JsonStrictValidator(SchemaVersion.V1_6)
    assert judge.validate_str(bill) is None
    assert judge.validate_str(bill.replace('"library"', '"book"')) is not None
    assert ended_well(deliver(checkout, "sbom", name)) == bill


@pytest.mark.parametrize("name", NAMES)
def test_syft_finds_the_same_packages(checkout: Path, pulled: Layouts, name: str, tmp_path: Path) -> None:
    """The whole package URL is compared: kind, name, version, architecture, distribution, source package."""
    ours = {one["purl"] for one in json.loads(ended_well(deliver(checkout, "sbom", name)))["components"]}
    syft = Path(sys.executable).with_name("syft")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    command = [str(syft), "scan", f"oci-dir:{pulled[name].folder}", "--quiet", "--output", "cyclonedx-json"]
    said = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert said.returncode == 0, said.stderr
    found = [one for one in json.loads(said.stdout)["components"] if one["type"] in {"library", "application"}]
    more = {(finder(one), one["name"]) for one in found if finder(one) in {NOTE, PROGRAM}}
    assert {one["purl"] for one in found if finder(one) not in {NOTE, PROGRAM}} == ours
    assert more == MORE[name]
    sources = {one.source.partition(" ")[0] for one in lockfile.load(checkout / "containers" / name).debs}
    assert {source for how, source in more if how == NOTE} <= sources


def finder(component: dict[str, Any]) -> str:
    """Return which part of syft found a component."""
    return str(next(one["value"] for one in component["properties"] if one["name"] == "syft:package:foundBy"))


def test_cosign_and_skopeo_believe_the_right_key_alone(
    checkout: Path, pulled: Layouts, layouts: Layouts, place: str, tools: Path
) -> None:
    work = tools / "work"
    for name in ("key", "other"):
        subprocess.run([*COMMAND, "new-key", str(work / f"{name}.pem")], check=True, capture_output=True)
    where = f"{place}/ostiary"
    Registry(Place.parse(f"{place}/unsigned")).push(layouts["ostiary"], TAG["ostiary"])
    ended_well(deliver(checkout, "sign", "ostiary", where, "--key", str(work / "key.pem")))
    offline = ("--insecure-ignore-tlog=true", "--allow-insecure-registry")
    image = f"{where}:{TAG['ostiary']}"
    for key, good in (("key", True), ("other", False)):
        given = (*offline, "--key", f"/work/{key}.pub", image)
        assert (judge(tools, "cosign", "verify", *given).returncode == 0) is good
        for kind in ("slsaprovenance1", "cyclonedx"):
            assert (judge(tools, "cosign", "verify-attestation", "--type", kind, *given).returncode == 0) is good
    host = place.partition("/")[0]
    rule = {"type": "sigstoreSigned", "keyPath": "/work/key.pub", "signedIdentity": {"type": "matchRepository"}}
    policy = {"default": [{"type": "reject"}], "transports": {"docker": {host: [rule]}}}
    (work / "policy.json").write_text(json.dumps(policy))
    (work / "registries/here.yaml").write_text(f"docker:\n  {host}:\n    use-sigstore-attachments: true\n")
    copying = ("skopeo", "--policy", "/work/policy.json", "--registries.d", "/work/registries", "copy")
    for name, good in (("ostiary", True), ("unsigned", False)):
        source = f"docker://{place}/{name}:{TAG['ostiary']}"
        ended = judge(tools, *copying, "--src-tls-verify=false", source, f"dir:/work/{name}")
        assert (ended.returncode == 0) is good, ended.stderr
    assert "no signature exists" in ended.stderr


def judge(tools: Path, *words: str) -> subprocess.CompletedProcess[str]:
    sandbox = ["bwrap", "--bind", str(tools), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--clearenv"]
    sandbox += ["--setenv", "PATH", "/usr/bin", "--setenv", "HOME", "/tmp"]
    return subprocess.run([*sandbox, *words], capture_output=True, text=True, timeout=300, check=False)
