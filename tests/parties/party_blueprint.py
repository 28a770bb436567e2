"""The applications of the relying parties, as an administrator would write them: default flows, default mappings."""

from __future__ import annotations

import json
from collections.abc import Mapping

CALLBACK = "http://localhost:9/callback"
SECRET = "a-secret-of-the-relying-parties-:%+&="
SCOPES = ("openid", "email", "profile", "offline_access")

_HEAD = """\
version: 1
metadata: {name: Relying parties}
entries:
  - model: authentik_flows.flow
    id: device
    identifiers: {slug: device-code}
    attrs: {name: Devices, title: Sign in a device, designation: stage_configuration, authentication: require_authenticated}
  - model: authentik_brands.brand
    identifiers: {domain: authentik-default}
    attrs: {flow_device_code: !KeyOf device}
"""


def blueprint(applications: Mapping[str, Mapping[str, object]]) -> str:
    """Return a blueprint with one application for each client id. Attributes replace the usual ones."""
    entries = [_application(name, attributes) for name, attributes in applications.items()]
    return _HEAD + "".join(entries)


def _application(name: str, attributes: Mapping[str, object]) -> str:
    given = dict(attributes)
    kind = given.pop("consent", "implicit")
    usual: dict[str, object] = {
        "client_type": "confidential",
        "client_id": name,
        "client_secret": SECRET,
        "redirect_uris": [{"matching_mode": "strict", "url": CALLBACK}],
        **given,
    }
    lines = "".join(f"      {key}: {json.dumps(value)}\n" for key, value in usual.items())
    found = ", ".join(f"!Find [authentik_providers_oauth2.scopemapping, [scope_name, {scope}]]" for scope in SCOPES)
    return f"""\
  - model: authentik_providers_oauth2.oauth2provider
    id: {name}-provider
    identifiers: {{name: {name}}}
    attrs:
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-{kind}-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      signing_key: !Find [authentik_crypto.certificatekeypair, [name, authentik Self-signed Certificate]]
      property_mappings: [{found}]
{lines}\
  - model: authentik_core.application
    identifiers: {{slug: {name}}}
    attrs: {{name: {name}, provider: !KeyOf {name}-provider}}
"""


def site(pattern: str) -> list[dict[str, str]]:
    """Return the redirect addresses of a site whose port is not known before it starts."""
    return [{"matching_mode": "regex", "url": rf"http://localhost:\d+{pattern}"}]
