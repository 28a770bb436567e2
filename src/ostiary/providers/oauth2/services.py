"""What the endpoints work with, handed over by the application."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.events.refusals import Refusals
from ostiary.events.signin_log import SignInLog
from ostiary.providers.oauth2.options import USUAL, Options
from ostiary.record import dataclass
from ostiary.signon.services import SignOnServices
from ostiary.trust.issuer_keys import IssuerKeys

if TYPE_CHECKING:
    from ostiary.web.request import Request
    from ostiary.web.response import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2Services(SignOnServices):
    """What sign-on works with, and what is for this protocol alone.

    `form_post` answers a page that posts these members to that address, which was checked; `languages` are those that
    our pages speak; `issuers` are the keys of trusted issuers; `refusals` bounds the refusals that are logged.
    `token_answers` counts the answers of the token endpoint, by grant and by "issued" or the error's code.
    """

    form_post: Callable[[Request, str, Mapping[str, str]], Response]
    languages: frozenset[str] = frozenset({"en"})
    options: Options = USUAL
    issuers: IssuerKeys = field(default_factory=IssuerKeys)
    refusals: Refusals = field(default_factory=Refusals)
    sign_ins: SignInLog = field(default_factory=SignInLog)
    token_answers: Counter[tuple[str, ...]] = field(default_factory=Counter)
