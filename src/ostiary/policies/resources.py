"""The kinds of this room: the binding, and the policies it can name."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Annotated, Final, Literal

from ostiary.policies.native import find_native
from ostiary.policies.recognise import recognise
from ostiary.record import dataclass
from ostiary.resource import MULTILINE, UNIQUE, Help, Length, OnDelete, Problem, Range, Reference, Resource, kind

POLICY: Final = "authentik_policies.policy"
BINDING_TARGET: Final = "authentik_policies.policybindingmodel"

_NOT_EVALUATED: Final = (
    "where it is bound, the binding's failure_result counts, and a stage stays or its flow is refused"
)

PolicyEngineMode = Literal["all", "any"]


def _validate_binding(binding: PolicyBinding) -> Iterable[Problem]:
    named = sum(item is not None for item in (binding.policy, binding.group, binding.user))
    if named != 1:
        yield Problem("", f"expected exactly one of policy, group and user, not {named or 'none'}")


@kind(
    "authentik_policies.policybinding",
    verbose_name="Policy Binding",
    component="ak-policy-binding-form",
    routes="policies/bindings",
    unique_together=(("policy", "target", "order"),),
    check=_validate_binding,
    label_field="order",
)
class PolicyBinding(Resource):
    """Binds one policy, group or user to an object that asks who may pass."""

    policy: Annotated[str | None, Reference(POLICY, OnDelete.CASCADE)] = None
    group: Annotated[str | None, Reference("authentik_core.group", OnDelete.CASCADE)] = None
    user: Annotated[int | None, Reference("authentik_core.user", OnDelete.CASCADE)] = None
    target: Annotated[str, Reference(BINDING_TARGET, OnDelete.CASCADE)]
    negate: Annotated[bool, Help("Turns the result round.")] = False
    enabled: bool = True
    order: Annotated[int, Range(-(2**31), 2**31 - 1)]
    timeout: Annotated[int, Range(0, 2**31 - 1), Help("Seconds a policy may take.")] = 30
    failure_result: Annotated[bool, Help("What counts when the policy cannot be evaluated.")] = False


@dataclass(frozen=True, kw_only=True)
class Policy(Resource):
    """What every policy has. A reference to the family leads to any of them."""

    name: Annotated[str, UNIQUE, Length(least=1)]
    execution_logging: Annotated[bool, Help("Writes an event for every evaluation.")] = False


def _validate_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    body = "".join(f"    {line}\n" for line in policy.expression.splitlines()) or "    pass\n"
    try:
        ast.parse(f"def expression():\n{body}")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield Problem("expression", f"is not valid Python: {error}")


def _advise_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    if find_native(policy.expression) is None and recognise(policy.expression) is None:
        yield Problem("expression", f"is stored, but cannot be evaluated by this version: {_NOT_EVALUATED}")


def _advise_password(policy: PasswordPolicy) -> Iterable[Problem]:
    if policy.check_have_i_been_pwned:
        yield Problem("check_have_i_been_pwned", f"is not available yet: {_NOT_EVALUATED}")


@kind(
    "authentik_policies_expression.expressionpolicy",
    verbose_name="Expression Policy",
    plural="Expression Policies",
    component="ak-policy-expression-form",
    routes="policies/expression",
    families=(POLICY,),
    check=_validate_expression,
    advise=_advise_expression,
)
class ExpressionPolicy(Policy):
    """A policy written as the body of a Python function."""

    expression: Annotated[str, MULTILINE, Length(most=100_000)]


@kind(
    "authentik_policies_password.passwordpolicy",
    verbose_name="Password Policy",
    plural="Password Policies",
    component="ak-policy-password-form",
    routes="policies/password",
    families=(POLICY,),
    advise=_advise_password,
)
class PasswordPolicy(Policy):
    """Rules a new password must follow."""

    password_field: Annotated[str, Length(least=1), Help("Key of the prompt field that holds the password.")] = (
        "password"  # noqa: S105
    )
    amount_digits: Annotated[int, Range(0, 1024)] = 0
    amount_uppercase: Annotated[int, Range(0, 1024)] = 0
    amount_lowercase: Annotated[int, Range(0, 1024)] = 0
    amount_symbols: Annotated[int, Range(0, 1024)] = 0
    length_min: Annotated[int, Range(0, 1024)] = 0
    symbol_charset: str = r"!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~ "
    error_message: str = ""
    check_static_rules: bool = True
    check_have_i_been_pwned: bool = False
    check_zxcvbn: bool = False
    hibp_allowed_count: Annotated[int, Range(0, 2**31 - 1)] = 0
    zxcvbn_score_threshold: Annotated[int, Range(0, 4)] = 2
