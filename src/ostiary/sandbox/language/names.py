"""The names of expressions: Python's own, the functions of all expressions, and the variables of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from ostiary.record import dataclass
from ostiary.sandbox.language.name_sets import name_set

EXCEPTIONS: Final = name_set(
    "ArithmeticError AssertionError AttributeError BaseException Exception FileExistsError FileNotFoundError"
    " ImportError IndexError IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError ModuleNotFoundError"
    " NameError NotADirectoryError NotImplementedError OSError OverflowError PermissionError RecursionError"
    " RuntimeError StopIteration SyntaxError SystemExit TimeoutError TypeError UnboundLocalError UnicodeDecodeError"
    " UnicodeEncodeError ValueError ZeroDivisionError"
)

BUILTINS: Final = EXCEPTIONS | name_set(
    "Ellipsis NotImplemented abs all any bin bool bytes chr complex dict divmod enumerate filter float format frozenset"
    " getattr hasattr hash hex id int isinstance iter len list map max min next oct ord pow print range repr reversed"
    " round set setattr slice sorted str sum tuple type zip"
)
"""Python's own names that the sandbox has and that mean there what they mean in Python. A test asks the sandbox."""

FUNCTIONS: Final = name_set(
    "ak_call_policy ak_create_event ak_is_group_member ak_logger ak_send_email ak_user_by ak_user_has_authenticator"
    " ip_address ip_network list_flatten regex_match regex_replace requests resolve_dns reverse_dns slugify"
)
"""Functions of every expression."""

ASKING: Final = name_set(
    "ak_call_policy ak_user_by ak_user_has_authenticator devices_for_user ip_address ip_network requests resolve_dns"
    " reverse_dns"
)
"""Functions that ask the host while the program waits."""

INSTEAD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "callable": "call it in a try statement",
        "compile": "",
        "delattr": "set the attribute to None",
        "dir": "name the attributes",
        "eval": "write the code itself",
        "exec": "write the code itself",
        "globals": "",
        "input": "ask with a prompt stage",
        "issubclass": "use isinstance",
        "locals": "name the variables",
        "object": "use a dictionary",
        "open": "expressions have no files",
        "property": "use a method",
        "staticmethod": "use a function",
        "classmethod": "use a function",
        "super": "classes have no bases here",
        "vars": "name the attributes",
        "__import__": "use an import statement",
        "ak_create_jwt": "not available yet",
        "ak_create_jwt_raw": "not available yet",
    }
)
"""Names that Python or authentik have and the sandbox has not, with what to write instead."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names of one kind of expression. `result` says whether it decides or tells."""

    name: str
    variables: frozenset[str]
    result: Literal["verdict", "value"]

    @property
    def known(self) -> frozenset[str]:
        """Every name that is there without being assigned."""
        return BUILTINS | FUNCTIONS | self.variables


POLICY: Final = Dialect(
    "expression policy",
    name_set("request user context http_request ak_client_ip ak_is_sso_flow ak_message"),
    "verdict",
)
MAPPING: Final = Dialect("property mapping", name_set("user request http_request provider token SkipObject"), "value")
MAPPINGS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {
        "scope": MAPPING,
        **{
            kind: Dialect(f"mapping of {name}", name_set(f"user request http_request SkipObject {variables}"), "value")
            for kind, name, variables in (
                ("saml", "SAML", "provider"),
                ("scim", "SCIM", "provider connection group"),
                ("ldap-source", "an LDAP source", "ldap dn source properties"),
                ("oauth-source", "an OAuth source", "info client token source properties group_id"),
                ("saml-source", "a SAML source", "name_id source properties"),
                ("scim-source", "a SCIM source", "data source properties"),
                ("kerberos-source", "a Kerberos source", "principal source properties"),
                ("plex-source", "a Plex source", "info source properties"),
                ("telegram-source", "a Telegram source", "info source properties"),
                ("webhook", "a notification", "notification"),
            )
        },
    }
)
"""The kinds of mappings that authentik has, with the variables of each."""

PROMPT: Final = Dialect("prompt", name_set("user request http_request prompt_context"), "value")
