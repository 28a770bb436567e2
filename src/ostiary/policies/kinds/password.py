"""The password policy: length, character classes, strength, and known leaks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Final

from ostiary.policies.errors import DEPENDS, Undetermined
from ostiary.policies.kinds.prompt_password import prompt_password
from ostiary.policies.lookups.leaked_passwords import LeakedPasswords
from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.resources import POLICY, Policy
from ostiary.resource import Help, Length, Range, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How

_BREACHED: Final = "This password was found among leaked ones. Choose another one."
_GUESSABLE: Final = "The password is too easy to guess."
_PARTS: Final = re.compile(r"[\W_]+")
_OWN_WORDS: Final = ("ostiary", "authentik", "akadmin")  # beside the names of the user


@kind(
    "authentik_policies_password.passwordpolicy",
    verbose_name="Password Policy",
    plural="Password Policies",
    component="ak-policy-password-form",
    routes="policies/password",
    families=(POLICY,),
)
class PasswordPolicy(Policy):
    """Rules for new passwords."""

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

    async def evaluate(self, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
        """Check the password in the prompt data. Raises NotAvailable if there is none.

        Known leaks are checked last, only if all other rules are met. In a trial they raise Undetermined instead.
        """
        text = prompt_password(policy_request, self.password_field)
        problems = broken_rules(self, text, names=_names(policy_request))
        if not problems and self.check_have_i_been_pwned:
            if policy_request.context.trial:
                raise Undetermined(f"{DEPENDS}the list of leaked passwords (network)")
            times = await policy_request.context.services[LeakedPasswords].count(text)
            problems = (_BREACHED,) if times > self.hibp_allowed_count else ()
        return "rules", PolicyResult(not problems, problems)


def broken_rules(policy: PasswordPolicy, text: str, *, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the messages for the broken rules. `error_message` replaces those of the static rules.

    `names` are those of the user, which are easy to guess. Known leaks are not checked here.
    """
    return tuple(_broken(policy, text, names))


def rules_in_words(policy: PasswordPolicy) -> tuple[str, ...]:
    """Return the rules as text, for the page on which users choose a password."""
    return tuple(_rules(policy))


def _names(policy_request: PolicyRequest) -> Iterator[str]:
    """Yield the names and addresses of the user."""
    if policy_request.subject is not None:
        user = policy_request.subject.user
        yield from (user.username, user.name, user.email)
    answers = policy_request.context.facts.get("prompt_data")
    if isinstance(answers, Mapping):
        yield from (text for name in ("username", "name", "email") if isinstance(text := answers.get(name), str))


def _broken(policy: PasswordPolicy, text: str, names: Iterable[str]) -> Iterator[str]:
    static = tuple(_broken_static(policy, text)) if policy.check_static_rules else ()
    yield from (policy.error_message,) if static and policy.error_message else static
    if policy.check_zxcvbn and strength(text, names) <= policy.zxcvbn_score_threshold:
        yield _GUESSABLE


def _broken_static(policy: PasswordPolicy, text: str) -> Iterator[str]:
    if len(text) < policy.length_min:
        yield f"The password must have at least {policy.length_min} characters."
    for found, wanted, name in zip(_counts(policy, text), _wanted(policy), _CLASSES, strict=True):
        if found < wanted:
            yield f"The password must have at least {_count(wanted, name)}."


def _rules(policy: PasswordPolicy) -> Iterator[str]:
    if policy.check_static_rules:
        if policy.length_min:
            yield f"At least {policy.length_min} characters."
        wanted = zip(_wanted(policy), _CLASSES, strict=True)
        yield from (f"At least {_count(number, name)}." for number, name in wanted if number)
    if policy.check_zxcvbn:
        yield "Not easy to guess: no common words, names, dates or rows of keys alone."
    if policy.check_have_i_been_pwned:
        yield "Not among the passwords that were leaked elsewhere."


_CLASSES: Final = ("digits", "capital letters", "small letters", "symbols")


def _count(number: int, name: str) -> str:
    return f"one {name.removesuffix('s')}" if number == 1 else f"{number} {name}"


def _wanted(policy: PasswordPolicy) -> tuple[int, int, int, int]:
    return policy.amount_digits, policy.amount_uppercase, policy.amount_lowercase, policy.amount_symbols


def _counts(policy: PasswordPolicy, text: str) -> tuple[int, int, int, int]:
    return (
        sum(one.isdigit() for one in text),
        sum(one.isupper() for one in text),
        sum(one.islower() for one in text),
        sum(one in policy.symbol_charset for one in text),
    )


def strength(text: str, names: Iterable[str] = ()) -> int:
    """Return zxcvbn's score of a password, from 0 (weakest) to 4. Only its first 100 characters count.

    `names` and their parts count as easy to guess.
    """
    import zxcvbn_rs_py  # noqa: PLC0415 - loaded with the first new password

    parts = {part for name in names for part in (name, *_PARTS.split(name))}
    return int(zxcvbn_rs_py.zxcvbn(text, [*sorted(part for part in parts if part), *_OWN_WORDS]).score)
