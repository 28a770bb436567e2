"""The names of all models in blueprints of authentik 2026.2, and messages about unknown ones."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

MODELS: Final = frozenset(
    {
        "authentik_blueprints.blueprintinstance",
        "authentik_blueprints.metaapplyblueprint",
        "authentik_brands.brand",
        "authentik_core.application",
        "authentik_core.applicationentitlement",
        "authentik_core.group",
        "authentik_core.token",
        "authentik_core.user",
        "authentik_crypto.certificatekeypair",
        "authentik_endpoints.deviceaccessgroup",
        "authentik_endpoints.deviceuserbinding",
        "authentik_endpoints.endpointstage",
        "authentik_endpoints_connectors_agent.agentconnector",
        "authentik_endpoints_connectors_agent.agentdeviceuserbinding",
        "authentik_endpoints_connectors_agent.enrollmenttoken",
        "authentik_endpoints_connectors_fleet.fleetconnector",
        "authentik_enterprise.license",
        "authentik_events.event",
        "authentik_events.notification",
        "authentik_events.notificationrule",
        "authentik_events.notificationtransport",
        "authentik_events.notificationwebhookmapping",
        "authentik_flows.flow",
        "authentik_flows.flowstagebinding",
        "authentik_lifecycle.lifecycleiteration",
        "authentik_lifecycle.lifecyclerule",
        "authentik_lifecycle.review",
        "authentik_outposts.dockerserviceconnection",
        "authentik_outposts.kubernetesserviceconnection",
        "authentik_outposts.outpost",
        "authentik_policies.policybinding",
        "authentik_policies_dummy.dummypolicy",
        "authentik_policies_event_matcher.eventmatcherpolicy",
        "authentik_policies_expiry.passwordexpirypolicy",
        "authentik_policies_expression.expressionpolicy",
        "authentik_policies_geoip.geoippolicy",
        "authentik_policies_password.passwordpolicy",
        "authentik_policies_reputation.reputationpolicy",
        "authentik_policies_unique_password.uniquepasswordpolicy",
        "authentik_providers_google_workspace.googleworkspaceprovider",
        "authentik_providers_google_workspace.googleworkspaceprovidermapping",
        "authentik_providers_ldap.ldapprovider",
        "authentik_providers_microsoft_entra.microsoftentraprovider",
        "authentik_providers_microsoft_entra.microsoftentraprovidermapping",
        "authentik_providers_oauth2.oauth2provider",
        "authentik_providers_oauth2.scopemapping",
        "authentik_providers_proxy.proxyprovider",
        "authentik_providers_rac.endpoint",
        "authentik_providers_rac.racpropertymapping",
        "authentik_providers_rac.racprovider",
        "authentik_providers_radius.radiusprovider",
        "authentik_providers_radius.radiusproviderpropertymapping",
        "authentik_providers_saml.samlpropertymapping",
        "authentik_providers_saml.samlprovider",
        "authentik_providers_scim.scimmapping",
        "authentik_providers_scim.scimprovider",
        "authentik_providers_ssf.ssfprovider",
        "authentik_providers_ws_federation.wsfederationprovider",
        "authentik_rbac.initialpermissions",
        "authentik_rbac.role",
        "authentik_reports.dataexport",
        "authentik_sources_kerberos.groupkerberossourceconnection",
        "authentik_sources_kerberos.kerberossource",
        "authentik_sources_kerberos.kerberossourcepropertymapping",
        "authentik_sources_kerberos.userkerberossourceconnection",
        "authentik_sources_ldap.groupldapsourceconnection",
        "authentik_sources_ldap.ldapsource",
        "authentik_sources_ldap.ldapsourcepropertymapping",
        "authentik_sources_ldap.userldapsourceconnection",
        "authentik_sources_oauth.groupoauthsourceconnection",
        "authentik_sources_oauth.oauthsource",
        "authentik_sources_oauth.oauthsourcepropertymapping",
        "authentik_sources_oauth.useroauthsourceconnection",
        "authentik_sources_plex.groupplexsourceconnection",
        "authentik_sources_plex.plexsource",
        "authentik_sources_plex.plexsourcepropertymapping",
        "authentik_sources_plex.userplexsourceconnection",
        "authentik_sources_saml.groupsamlsourceconnection",
        "authentik_sources_saml.samlsource",
        "authentik_sources_saml.samlsourcepropertymapping",
        "authentik_sources_saml.usersamlsourceconnection",
        "authentik_sources_scim.scimsource",
        "authentik_sources_scim.scimsourcepropertymapping",
        "authentik_sources_telegram.grouptelegramsourceconnection",
        "authentik_sources_telegram.telegramsource",
        "authentik_sources_telegram.telegramsourcepropertymapping",
        "authentik_sources_telegram.usertelegramsourceconnection",
        "authentik_stages_authenticator_duo.authenticatorduostage",
        "authentik_stages_authenticator_duo.duodevice",
        "authentik_stages_authenticator_email.authenticatoremailstage",
        "authentik_stages_authenticator_email.emaildevice",
        "authentik_stages_authenticator_endpoint_gdtc.authenticatorendpointgdtcstage",
        "authentik_stages_authenticator_sms.authenticatorsmsstage",
        "authentik_stages_authenticator_sms.smsdevice",
        "authentik_stages_authenticator_static.authenticatorstaticstage",
        "authentik_stages_authenticator_static.staticdevice",
        "authentik_stages_authenticator_totp.authenticatortotpstage",
        "authentik_stages_authenticator_totp.totpdevice",
        "authentik_stages_authenticator_validate.authenticatorvalidatestage",
        "authentik_stages_authenticator_webauthn.authenticatorwebauthnstage",
        "authentik_stages_authenticator_webauthn.webauthndevice",
        "authentik_stages_captcha.captchastage",
        "authentik_stages_consent.consentstage",
        "authentik_stages_deny.denystage",
        "authentik_stages_dummy.dummystage",
        "authentik_stages_email.emailstage",
        "authentik_stages_identification.identificationstage",
        "authentik_stages_invitation.invitation",
        "authentik_stages_invitation.invitationstage",
        "authentik_stages_mtls.mutualtlsstage",
        "authentik_stages_password.passwordstage",
        "authentik_stages_prompt.prompt",
        "authentik_stages_prompt.promptstage",
        "authentik_stages_redirect.redirectstage",
        "authentik_stages_source.sourcestage",
        "authentik_stages_user_delete.userdeletestage",
        "authentik_stages_user_login.userloginstage",
        "authentik_stages_user_logout.userlogoutstage",
        "authentik_stages_user_write.userwritestage",
        "authentik_tasks_schedules.schedule",
        "authentik_tenants.domain",
    }
)
"""Facts of the format: app label and model name."""

FAMILIES: Final = frozenset(
    {
        "authentik_core.propertymapping",
        "authentik_core.provider",
        "authentik_core.source",
        "authentik_flows.stage",
        "authentik_policies.policy",
        "authentik_policies.policybindingmodel",
    }
)
"""Base models that !Find may name as well."""


def model_name(name: object) -> str:
    """Return the name of a model as it is listed: case does not matter, as in authentik."""
    return name.lower() if isinstance(name, str) and name.isascii() else str(name)


def is_unbuilt(name: str, available: Container[str]) -> bool:
    """Return whether this version does not support the model of authentik."""
    return name in MODELS and name not in available


def why_missing(name: str, available: Iterable[str]) -> str:
    """Return why a model cannot be used: not supported yet, or unknown (with the nearest name)."""
    if model_name(name) in FAMILIES:
        return f"{name} is a base model: only !Find takes it, expected one of the models that inherit it"
    if model_name(name) in MODELS:
        return f"model {name} is not available yet"
    return f"unknown model {name}{did_you_mean(name.lower(), {*MODELS, *available})}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ", did you mean X?" for the nearest of the names, nothing when none is near."""
    import difflib  # noqa: PLC0415 - only for a mistake

    nearest = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.6)
    return f", did you mean {nearest[0]}?" if nearest else ""
