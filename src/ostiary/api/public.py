"""What anybody may read: `root/config/` and `core/brands/current/`."""

from __future__ import annotations

from typing import Final

from ostiary.brands.resources import Brand
from ostiary.flows.resources import Flow
from ostiary.store.configuration.snapshot import Snapshot

CACHE_SECONDS: Final = 300  # what authentik says; nothing here is cached that long

CONFIG: Final[dict[str, object]] = {
    "error_reporting": {
        "enabled": False,
        "sentry_dsn": "",
        "environment": "",
        "send_pii": False,
        "traces_sample_rate": 0.0,
    },
    "capabilities": [],
    "cache_timeout": CACHE_SECONDS,
    "cache_timeout_flows": CACHE_SECONDS,
    "cache_timeout_policies": CACHE_SECONDS,
}

_FLOWS: Final = (
    "flow_authentication",
    "flow_invalidation",
    "flow_recovery",
    "flow_unenrollment",
    "flow_user_settings",
    "flow_device_code",
)


def current_brand(brand: Brand, snapshot: Snapshot) -> dict[str, object]:
    """Return authentik's CurrentBrand. A flow the brand does not name is left out, the others are slugs."""
    named = {name: snapshot.get(Flow, pk) for name in _FLOWS if (pk := getattr(brand, name)) is not None}
    return {
        "matched_domain": brand.domain,
        "branding_title": brand.branding_title,
        "branding_logo": brand.branding_logo,
        "branding_logo_themed_urls": None,
        "branding_favicon": brand.branding_favicon,
        "branding_favicon_themed_urls": None,
        "branding_custom_css": brand.branding_custom_css,
        "ui_footer_links": [],
        "ui_theme": "automatic",
        **{name: flow.slug for name, flow in named.items() if flow is not None},
        "default_locale": "",
        "flags": {
            "enterprise_audit_include_expanded_diff": False,
            "policies_buffered_access_view": False,
            "flows_continuous_login": False,
            "flows_refresh_others": False,
        },
    }
