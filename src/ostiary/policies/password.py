"""The password policy, and its static rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Final

from ostiary.policies.errors import NotAvailable
from ostiary.policies.resources import NOT_EVALUATED, POLICY, Policy
from ostiary.policies.verdict import Question, Verdict
from ostiary.resource import Help, Length, Problem, Range, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How

_COMMON_WORDS: Final = frozenset(
    {
        "password", "passw0rd", "qwerty", "qwertyuiop", "letmein", "welcome", "admin", "administrator", "iloveyou",
        "monkey", "dragon", "sunshine", "princess", "football", "baseball", "superman", "trustno", "secret", "changeme",
        "ostiary", "authentik", "akadmin", "abc", "asdfgh", "zxcvbn", "azerty", "master", "login", "hello", "user",
    }
)  # fmt: skip
_GUESSABLE_LENGTH: Final = 5  # characters that must remain when common words and runs are taken out


def _advise_password(policy: PasswordPolicy) -> Iterable[Problem]:
    if policy.check_have_i_been_pwned:
        yield Problem("check_have_i_been_pwned", f"is not available yet: {NOT_EVALUATED}")


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

    async def evaluate(self, question: Question) -> tuple[How, Verdict]:
        """Say whether the password among the answers follows the rules. Raises NotAvailable when there is none."""
        answers = question.context.facts.get("prompt_data")
        text = answers.get(self.password_field) if isinstance(answers, Mapping) else None
        if not isinstance(text, str):
            message = f"no answer called {self.password_field!r}"
            raise NotAvailable(message)
        if self.check_have_i_been_pwned:
            message = "the check against known leaks is not available yet"
            raise NotAvailable(message)
        problems = broken_rules(self, text)
        return "rules", Verdict(not problems, problems)


def broken_rules(policy: PasswordPolicy, text: str) -> tuple[str, ...]:
    """Return what is wrong with a password, as people are told. The policy's own message is about its static rules."""
    return tuple(_broken(policy, text))


def _broken(policy: PasswordPolicy, text: str) -> Iterator[str]:
    static = tuple(_broken_static(policy, text)) if policy.check_static_rules else ()
    yield from (policy.error_message,) if static and policy.error_message else static
    if policy.check_zxcvbn and is_guessable(text):
        yield "The password is too easy to guess."


def _broken_static(policy: PasswordPolicy, text: str) -> Iterator[str]:
    if len(text) < policy.length_min:
        yield f"The password must have at least {policy.length_min} characters."
    counts = (
        (sum(one.isdigit() for one in text), policy.amount_digits, "digits"),
        (sum(one.isupper() for one in text), policy.amount_uppercase, "capital letters"),
        (sum(one.islower() for one in text), policy.amount_lowercase, "small letters"),
        (sum(one in policy.symbol_charset for one in text), policy.amount_symbols, "symbols"),
    )
    for found, wanted, name in counts:
        if found < wanted:
            yield f"The password must have at least {wanted} {name}."


def is_guessable(text: str) -> bool:
    """Return whether little remains of a password without its common words, repetitions and runs.

    A plain stand-in for authentik's zxcvbn score: it refuses what everybody tries first, and nothing else.
    """
    rest = text.casefold()
    for word in sorted(_COMMON_WORDS, key=len, reverse=True):
        rest = rest.replace(word, "")
    kept = [one for index, one in enumerate(rest) if index == 0 or abs(ord(one) - ord(rest[index - 1])) > 1]
    return len(kept) < _GUESSABLE_LENGTH or len(set(kept)) < _GUESSABLE_LENGTH - 1
