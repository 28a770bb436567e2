"""The keys of one provider: for signing, verification, publication and encryption."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.keys.pem import read_private_key
from ostiary.keys.resources import CertificateKeyPair
from ostiary.keys.signer import NoSigningKey, certificate_jwk, certificate_public_key, kid_of, signer
from ostiary.proto.jose import (
    Decrypter,
    MalformedToken,
    Recipient,
    SigningKey,
    UnsupportedKey,
    VerifyingKey,
    algorithms_for,
    verify,
)
from ostiary.record import dataclass
from ostiary.resource import codec

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.fields import OAuth2ProviderFields
    from ostiary.store.configuration.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """The keys of one provider.

    `published` is the JWKS, with the signing key first. `everybody` is the recipient of ID and access tokens, `client`
    of the client's own ID token and userinfo. `own` decrypts what clients encrypt to us: request objects.
    """

    signing: SigningKey = field(repr=False)
    verifying: tuple[VerifyingKey, ...] = field(repr=False)
    published: tuple[Mapping[str, object], ...]
    everybody: Recipient | None
    client: Recipient | None
    own: Decrypter | None = field(default=None, repr=False)


class UnusableKeys(LookupError):
    """The keys of a provider no longer fit its settings. The text says why."""


def key_set(snapshot: Snapshot, provider: OAuth2ProviderFields) -> KeySet:
    """Return the keys of a provider. Raises UnusableKeys."""
    try:
        signing, published = _signing(snapshot, provider)
        before = tuple(_before(snapshot, provider))
        previous = [_published(pair) for pair in before]
        encryption = _encryption(snapshot, provider)
        everybody = None if encryption is None else _recipient(provider, encryption)
        return KeySet(
            signing=signing,
            verifying=(signing.verifying(), *(key for pair in before for key in _public(pair))),
            published=(*published, *previous, *_encryption_key(provider, encryption)),
            everybody=everybody,
            client=everybody or client_recipient(provider),
            own=_decrypter(snapshot, provider),
        )
    except NoSigningKey as error:
        raise UnusableKeys("its signing key has no private key") from error
    except ValueError as error:
        raise UnusableKeys(str(error)) from error


def verify_own(keys: Iterable[VerifyingKey], token: str) -> Mapping[str, object]:
    """Return the claims of a token signed by one of these keys, with that key's algorithm (RFC 8725, section 3.1).

    The token cannot choose the algorithm or bring a key. The caller validates the claims, `exp` too. Raises JoseError.
    """
    payload = verify(token, keys).payload
    try:
        claims = codec.decode(payload)
    except ValueError as error:
        raise MalformedToken("expected a JSON object as payload") from error
    if not isinstance(claims, dict):
        raise MalformedToken("expected a JSON object as payload")
    return claims


def client_recipient(provider: OAuth2ProviderFields) -> Recipient | None:
    """Return the client's own key for encryption: the first with use "enc" in its jwks. Raises UnsupportedKey."""
    keys = provider.jwks.get("keys")
    for jwk in keys if isinstance(keys, Sequence) and not isinstance(keys, str) else ():
        if isinstance(jwk, Mapping) and jwk.get("use") == "enc":
            return _recipient(provider, jwk)
    return None


def _signing(snapshot: Snapshot, provider: OAuth2ProviderFields) -> tuple[SigningKey, Sequence[Mapping[str, object]]]:
    if provider.signing_key is None or provider.signing_alg == "HS256":
        return SigningKey(provider.client_secret.reveal().encode()), ()
    ready = signer(snapshot, provider.signing_key, provider.signing_alg)
    return ready.key, (ready.jwk,)


def _before(snapshot: Snapshot, provider: OAuth2ProviderFields) -> Iterable[CertificateKeyPair]:
    """Yield the previous and the next signing pairs."""
    for pk in dict.fromkeys(provider.previous_signing_keys):
        pair = snapshot.get(CertificateKeyPair, pk)
        if pair is not None and pk != provider.signing_key:
            yield pair


def _published(pair: CertificateKeyPair) -> Mapping[str, object]:
    """Return the JWK of a pair that does not sign now, with `alg` only where the key allows one algorithm.

    It is not recorded which algorithm an RSA key was used with, and clients would refuse a wrong one.
    """
    jwk, possible = certificate_jwk(pair, use="sig"), algorithms_for(certificate_public_key(pair))
    return {"alg": possible[0], **jwk} if len(possible) == 1 else jwk


def _public(pair: CertificateKeyPair) -> Iterable[VerifyingKey]:
    key = certificate_public_key(pair)
    return [VerifyingKey(key, kid=kid_of(pair), algorithm=name) for name in algorithms_for(key)]


def _encryption(snapshot: Snapshot, provider: OAuth2ProviderFields) -> Mapping[str, object] | None:
    if provider.encryption_key is None:
        return None
    pair = snapshot.get(CertificateKeyPair, provider.encryption_key)
    if pair is None:
        raise UnsupportedKey("its encryption key is gone")  # plain tokens would be a surprise
    return certificate_jwk(pair, use="enc")


def _decrypter(snapshot: Snapshot, provider: OAuth2ProviderFields) -> Decrypter | None:
    """Return the decrypter for our published encryption key, if we hold its private key."""
    pair = None if provider.encryption_key is None else snapshot.get(CertificateKeyPair, provider.encryption_key)
    return None if pair is None or not pair.key_data else Decrypter(read_private_key(pair.key_data.reveal()))


def _encryption_key(
    provider: OAuth2ProviderFields, encryption: Mapping[str, object] | None
) -> Iterable[Mapping[str, object]]:
    if encryption is not None:
        yield {"alg": provider.encryption_alg, "enc": provider.encryption_enc, **encryption}


def _recipient(provider: OAuth2ProviderFields, jwk: Mapping[str, object]) -> Recipient:
    kid = jwk.get("kid")
    return Recipient(
        jwk,
        algorithm=provider.encryption_alg,
        content=provider.encryption_enc,
        kid=kid if isinstance(kid, str) else None,
    )
