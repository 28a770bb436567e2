"""Fuzzes the protocol parsers with a coverage-guided fuzzer (atheris): `make fuzz`.

Each target is a parser with the errors that it may raise. Any other error is a finding: it is printed, and its input
stored in a file. This is not part of `make test`, which has property tests (hypothesis); it needs much more time.

    fuzz.py                 every target in turn, SECONDS each (60)
    fuzz.py NAME [SECONDS]  one of them
"""

from __future__ import annotations

import base64
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

SECONDS: Final = 60
MAX_LENGTH: Final = 4096  # octets of an input
_NOW: Final = 1_700_000_000_000_000

Target = Callable[[bytes], None]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class Draw:
    """Builds JSON with the names that the parsers know from octets, so that the fuzzer need not learn these."""

    def __init__(self, data: bytes) -> None:
        import atheris

        self._data = atheris.FuzzedDataProvider(data)

    def members(self, names: Sequence[str], depth: int = 2) -> dict[str, object]:
        """Return an object with some of these names."""
        count = self._data.ConsumeIntInRange(0, 12)
        return {self._data.PickValueInList([*names, "x"]): self.value(names, depth) for _ in range(count)}

    def value(self, names: Sequence[str], depth: int) -> object:
        """Return any JSON value, also some that RFC 8259 does not allow."""
        kind = self._data.ConsumeIntInRange(0, 11 if depth else 8)
        match kind:
            case 0 | 1 | 2:
                return self._data.PickValueInList(list(WORDS))
            case 3:
                return self._data.ConsumeUnicode(self._data.ConsumeIntInRange(0, 40))
            case 4:
                return self._data.ConsumeInt(9)
            case 5:
                return self._data.ConsumeFloat()
            case 6:
                return self._data.PickValueInList(
                    [None, True, False, 0, -1, 2**63, 10**400, float("nan"), float("inf")]
                )
            case 7 | 8:
                return self._data.PickValueInList(list(names))
            case 9 | 10:
                return [self.value(names, depth - 1) for _ in range(self._data.ConsumeIntInRange(0, 4))]
            case _:
                return self.members(names, depth - 1)

    def text(self, names: Sequence[str]) -> bytes:
        """Return an object as JSON text."""
        return json.dumps(self.members(names)).encode()

    def jwt(self, header: Sequence[str], claims: Sequence[str]) -> str:
        """Return a JWT with an invalid signature."""
        return ".".join((_b64(self.text(header)), _b64(self.text(claims)), _b64(b"x" * 64)))


HEADER: Final = ("alg", "typ", "kid", "crit", "jwk", "enc", "zip", "cty", "epk", "apu", "b64", "p2c")
CLAIMS: Final = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "htm", "htu", "ath", "nonce", "events")
KEYS: Final = ("keys", "kty", "crv", "x", "y", "n", "e", "use", "key_ops", "alg", "kid", "d", "k")
REQUEST: Final = (
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age",
    "claims", "resource", "code_challenge", "code_challenge_method", "acr_values", "display", "dpop_jkt", "exp",
    "nbf", "iss", "aud", "userinfo", "id_token", "essential", "value", "values",
)  # fmt: skip
WORDS: Final = (
    "HS256", "HS512", "ES256", "RS256", "EdDSA", "none", "dpop+jwt", "JWT", "RSA", "EC", "OKP", "oct", "P-256",
    "Ed25519", "AQAB", "sig", "enc", "verify", "POST", "https://a/b", "c", "a", "code", "code id_token", "openid",
    "S256", "login", "ECDH-ES", "A256GCM", "A128CBC-HS256", "DEF", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "page", "query.jwt",
)  # fmt: skip


def jose(data: bytes) -> None:
    """Parse a token and its claims: raw, well-formed, unsigned and signed."""
    from ostiary.proto.jose import VerifyingKey
    from ostiary.proto.oauth2.clients.statement import (
        BadStatement,
        SignedStatement,
        read_statement,
        unverified_claim,
        unverified_header,
        verify_times,
    )

    keys = [VerifyingKey(b"k" * 64, algorithm=name) for name in ("HS256", "HS384", "HS512")]
    for token in (_text(data), Draw(data).jwt(HEADER, CLAIMS), _signed(data)):
        unverified_claim(token, "sub")
        for read in (unverified_header, lambda text: read_statement(text, keys)):
            try:
                read(token)
            except BadStatement:
                continue
    statement = SignedStatement({}, Draw(data).members(CLAIMS))
    _ = statement.audience
    for check in (lambda: verify_times(statement, now=_NOW, leeway=30), lambda: statement.text("sub")):
        try:
            check()
        except BadStatement:
            continue


def _signed(data: bytes, names: Sequence[str] = CLAIMS) -> str:
    from ostiary.proto.jose import SigningKey, sign

    return sign(Draw(data).text(names), SigningKey(b"k" * 64))


def jwks(data: bytes) -> None:
    """Parse a key set."""
    from ostiary.proto.jose import JoseError
    from ostiary.proto.jose.jwks import usable_keys, verifying_keys

    draw = Draw(data)
    document = {"keys": [draw.members(KEYS) for _ in range(3)], **draw.members(KEYS)}
    usable_keys(document)
    try:
        verifying_keys(document)
    except JoseError:
        return


@functools.cache
def _decrypter() -> object:
    from cryptography.hazmat.primitives.asymmetric import ec

    from ostiary.proto.jose import Decrypter

    return Decrypter(ec.derive_private_key(7, ec.SECP256R1()))


def jwe(data: bytes) -> None:
    """Decrypt a JWE."""
    from ostiary.proto.jose import MalformedToken

    draw = Draw(data)
    header = {"alg": "ECDH-ES", "enc": "A256GCM", **draw.members(HEADER)}
    key = {"kty": "EC", "crv": "P-256", **draw.members(KEYS)}
    for head in (header, {**header, "epk": key}):
        rest = _b64(data[-16:])
        for token in (_text(data), f"{_b64(json.dumps(head).encode())}..{rest}.{rest}.{rest}"):
            try:
                _decrypter().decrypt(token)  # type: ignore[attr-defined]
            except MalformedToken:
                continue


def request_object(data: bytes) -> None:
    """Parse a signed request object."""
    from ostiary.proto.jose import SigningKey, VerifyingKey, sign
    from ostiary.proto.oauth2.authorization.request import parse_request, parse_target
    from ostiary.proto.oauth2.authorization.request_object import read_object
    from ostiary.proto.oauth2.errors import OAuthError

    claims = {"client_id": "c", "response_type": "code", **Draw(data).members(REQUEST, 3)}
    for payload in (data, json.dumps(claims).encode(), json.dumps({**claims, "client_id": "c"}).encode()):
        token = sign(payload, SigningKey(b"k" * 32))
        try:
            parsed = read_object(token, [VerifyingKey(b"k" * 32)], client_id="c", audiences={"a"}, now=_NOW)
            parse_target(parsed.parameters, "https://a/b")
            parse_request(parsed.parameters)
        except OAuthError:
            continue


@functools.cache
def _prover() -> tuple[object, dict[str, str]]:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    from ostiary.proto.jose import SigningKey, public_jwk

    key = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    return SigningKey(key), public_jwk(key.public_key())


def dpop(data: bytes) -> None:
    """Verify a DPoP proof, with and without a valid signature."""
    from ostiary.proto.oauth2.clients.dpop import ProofTarget, verify_dpop_proof
    from ostiary.proto.oauth2.clients.statement import BadStatement
    from ostiary.proto.oauth2.errors import OAuthError

    key, jwk = _prover()
    draw = Draw(data)
    header = {"alg": "EdDSA", "typ": "dpop+jwt", "jwk": jwk, **draw.members(HEADER)}
    claims = {"htm": "POST", "htu": "https://a/b", "iat": _NOW // 10**6, "jti": "j", **draw.members(CLAIMS)}
    for head in (header, {**header, "alg": "EdDSA", "typ": "dpop+jwt", "jwk": jwk}):
        signed = f"{_b64(json.dumps(head).encode())}.{_b64(json.dumps(claims).encode())}"
        proof = f"{signed}.{_b64(key.signature(signed.encode()))}"  # type: ignore[attr-defined]
        for token in (_text(data), proof):
            try:
                verify_dpop_proof(token, ProofTarget("POST", "https://a/b"), nonce_key=None, now=_NOW)
            except (OAuthError, BadStatement):
                continue


def forms(data: bytes) -> None:
    """Parse a form, its client and its authorization request; then a user code, PKCE and claims."""
    from ostiary.proto.oauth2.authorization.claims_request import load_claims, parse_claims
    from ostiary.proto.oauth2.authorization.pkce import parse_challenge, verify_code_verifier
    from ostiary.proto.oauth2.authorization.request import parse_request, parse_target
    from ostiary.proto.oauth2.clients.authentication import parse_client
    from ostiary.proto.oauth2.device_authorization import read_user_code
    from ostiary.proto.oauth2.errors import OAuthError
    from ostiary.proto.oauth2.parameters import read_parameters
    from ostiary.web.errors import HttpError
    from ostiary.web.parameters import parse_pairs

    text = _text(data)
    try:
        parameters = read_parameters(parse_pairs(text))
        parse_target(parameters, "https://a/b")
        parse_client(parameters.values.get("authorization"), parameters)
        parse_request(parameters)
    except (OAuthError, HttpError):
        pass
    read_user_code(text)
    try:
        half = len(text) // 2
        verify_code_verifier(parse_challenge(text[:half], text[half:][:5]), text[half:])
    except OAuthError:
        pass
    for claims in (text, Draw(data).text(REQUEST)):
        try:
            parsed = parse_claims(claims if isinstance(claims, str) else claims.decode())
            assert load_claims(json.loads(json.dumps(parsed.body()))) == parsed
        except OAuthError:
            continue


def redirects(data: bytes) -> None:
    """Match an address with strict entries and with a pattern, whose result must be that of `re`."""
    import re
    import warnings
    from types import SimpleNamespace

    from ostiary.proto.oauth2.authorization.pattern import BadPattern, RedirectPattern
    from ostiary.proto.oauth2.authorization.redirect import is_allowed, origin, pattern_problem, with_query

    first, _, second = data.partition(b"\n")
    expression, sent = _text(first), _text(second)
    pattern_problem("strict", sent)
    origin(sent)
    with_query(sent, [("a", "b")])
    entries = [SimpleNamespace(matching_mode=mode, url=expression) for mode in ("strict", "regex")]
    is_allowed(sent, entries, any_port=True)
    plain = "".join(letter for letter in sent if "!" <= letter <= "~")[:12]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            matches = RedirectPattern(expression[:24]).fullmatch(plain)
        except BadPattern:
            return
        if expression.isascii():
            assert matches == (re.fullmatch(expression[:24], plain) is not None)


def sandbox_values(data: bytes) -> None:
    """Copy what a program of the sandbox made, and hand it in again: plain data is kept, or refused as a whole."""
    from ostiary.sandbox.workers.budget import Spent
    from ostiary.sandbox.workers.values import NoValue, Outwards, inwards

    made: object = Draw(data).members(CLAIMS, depth=6)
    shared = [made] * 3  # one object, many times
    for value in (made, shared, (made, frozenset({_text(data)})), [shared] * 50):
        for limit in (10, 1000):
            try:
                copy = Outwards(limit).copy(value)
            except Spent:
                continue
            assert repr(copy) == repr(value)
            assert len(repr(copy)) <= limit * 500  # the longest number has 400 digits
            try:
                assert repr(inwards(copy, lambda one: one)) == repr(value)
            except NoValue:
                continue


def expressions(data: bytes) -> None:
    """Check an expression and make a program of it: it is refused with places in the text, or the program parses."""
    import ast
    import warnings

    import atheris
    from fuzz_texts import Text

    from ostiary.sandbox.language.names import MAPPING, POLICY, PROMPT
    from ostiary.sandbox.language.program import RefusedExpression, check, prepare

    warnings.simplefilter("ignore")  # of the compiler, about what expressions do
    make = prepare.__wrapped__
    octets = atheris.FuzzedDataProvider(data)
    dialect = (POLICY, MAPPING, PROMPT)[len(data) % 3]
    for text in (_text(data), Text(lambda most: octets.ConsumeIntInRange(0, most)).body()):
        faults = check(text, dialect)
        lines = text.count("\n") + 2
        assert all(1 <= one.line <= lines and one.column >= 1 and one.reason for one in faults), faults
        fatal = tuple(one for one in faults if one.fatal)
        try:
            prepared = make(text, dialect)
        except RefusedExpression as error:
            refused = error.faults
        else:
            refused = ()
            ast.parse(prepared.source)
            assert make(text, dialect) == prepared
        assert refused == fatal


TARGETS: Final[Mapping[str, Target]] = {
    one.__name__: one for one in (jose, jwks, jwe, request_object, dpop, forms, redirects, sandbox_values, expressions)
}


def run(name: str, seconds: int) -> int:
    """Fuzz a target in this process. atheris does not return."""
    import atheris

    with atheris.instrument_imports(include=["ostiary"]):
        import ostiary.proto.jose
        import ostiary.proto.oauth2.authorization.redirect
        import ostiary.proto.oauth2.authorization.request
        import ostiary.proto.oauth2.authorization.request_object
        import ostiary.proto.oauth2.clients.authentication
        import ostiary.proto.oauth2.clients.dpop
        import ostiary.proto.oauth2.device_authorization
        import ostiary.sandbox.language.program
        import ostiary.sandbox.workers.values
        import ostiary.web.parameters  # noqa: F401 - imported here to be instrumented
    with tempfile.TemporaryDirectory(prefix="ostiary-fuzz-") as corpus:
        atheris.Setup(
            [sys.argv[0], corpus, f"-max_total_time={seconds}", f"-max_len={MAX_LENGTH}", "-timeout=10",
             "-len_control=10", f"-artifact_prefix=fuzz-{name}-"],
            TARGETS[name],
        )  # fmt: skip
        atheris.Fuzz()
    return 0


def main() -> int:
    """Fuzz one target, or each target in its own process. Returns the exit code."""
    names = [*TARGETS] if len(sys.argv) < 2 else [sys.argv[1]]  # noqa: PLR2004
    if names[0] not in TARGETS:
        print("expected one of:", *TARGETS)
        return 2
    if len(sys.argv) > 2:  # noqa: PLR2004
        return run(names[0], int(sys.argv[2]))
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, __file__, name, str(SECONDS)], check=False, cwd=Path.cwd())
        failed += [name] if done.returncode else []
    print("findings in: " + ", ".join(failed) if failed else "no findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
