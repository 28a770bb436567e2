"""The expressions of the default policies, by the policy's name. The shipped blueprints contain the same texts.

They show administrators what `native` does. They are recognised by their hash and never executed.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_SSO: Final = """\
# Only for people who come from another identity provider.
return ak_is_sso_flow
"""

SOURCES: Final = MappingProxyType(
    {
        "default-authentication-flow-password-stage": """\
# Skipped when an earlier step has checked the password already.
return "user_backend" not in context
""",
        "default-authentication-flow-authenticator-validate-stage": """\
# Skipped when a passkey alone signed the person in.
return context.get("auth_method") != "auth_webauthn_pwl"
""",
        "default-source-authentication-if-sso": _SSO,
        "default-source-enrollment-if-sso": _SSO,
        "default-source-enrollment-if-username": """\
# Ask for a user name only when the other identity provider sent none.
return not context.get("prompt_data", {}).get("username")
""",
        "default-user-settings-authorization": """\
# People change only those details of their own that the rules of the house allow.
rules = request.user.group_attributes(http_request)
wanted = context.get("prompt_data", {})
for field, usual in {"email": False, "name": True, "username": False}.items():
    changed = field in wanted and wanted[field] != getattr(request.user, field)
    if changed and not rules.get("goauthentik.io/user/can-change-" + field, usual):
        ak_message("You are not allowed to change this: " + field)
        return False
return True
""",
        "default-oobe-password-usable": """\
# The wizard is open until there is a first administrator; its one-time link is checked before any stage.
first = ak_user_by(username="akadmin")
return first is None or not first.has_usable_password()
""",
        "default-oobe-prefill-user": """\
# The wizard is about the first administrator.
context["flow_plan"].context["pending_user"] = ak_user_by(username="akadmin")
return True
""",
        "default-oobe-flow-set-authentication": """\
# The wizard closes itself with the flag that is stored when the first administrator is.
return context["flow_plan"] is not None
""",
    }
)
