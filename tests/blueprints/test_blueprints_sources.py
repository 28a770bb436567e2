"""A source and the provider that trusts it, as a blueprint of authentik has them."""

from __future__ import annotations

from pathlib import Path

from blueprints_world import World

from ostiary.blueprints.report import render
from ostiary.trust.oauth_source import OAuthSource

TEXT = """\
version: 1
entries:
  - model: authentik_sources_oauth.oauthsource
    id: forge
    identifiers: {slug: forge}
    attrs:
      name: Forge
      provider_type: openidconnect
      consumer_key: us
      consumer_secret: known to both
      oidc_well_known_url: https://forge.example/.well-known/openid-configuration
      authentication_flow: !Find [authentik_flows.flow, [slug, default-authentication-flow]]
      user_matching_mode: email_link
  - model: authentik_providers_oauth2.oauth2provider
    identifiers: {name: runner}
    attrs:
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      redirect_uris: []
      jwt_federation_sources: [!KeyOf forge]
"""


async def test_a_source_and_who_trusts_it(world: World, tmp_path: Path) -> None:
    await world.defaults()
    path = tmp_path / "b.yaml"
    path.write_text(TEXT)
    report = await world.apply(path)
    assert report.files[0].error is None, render(report)
    made = await world.one("authentik_sources_oauth.oauthsource", slug="forge")
    provider = await world.one("authentik_providers_oauth2.oauth2provider", name="runner")
    assert provider.values["jwt_federation_sources"] == (made.pk,)
    assert "known to both" not in str(await world.documents())
    source = world.editor.plane.snapshot.get(OAuthSource, made.pk)
    assert source is not None
    assert source.user_path == "goauthentik.io/sources/forge"
    await world.delete("authentik_sources_oauth.oauthsource", slug="forge")
    provider = await world.one("authentik_providers_oauth2.oauth2provider", name="runner")
    assert provider.values["jwt_federation_sources"] == ()


async def test_a_wrong_address_is_told_with_its_place(world: World, tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(TEXT.replace("https://forge.example/.well", "http://forge.example/.well"))
    report = await world.apply(path)
    assert "oidc_well_known_url: expected an https address" in str(report.files[0].error)
