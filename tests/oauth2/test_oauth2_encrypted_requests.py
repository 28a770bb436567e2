"""Encrypted request objects, and the longer hashes in what clients sign. Encrypted by joserfc: not the code under test."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from joserfc import jwe, jwk, jws
from oauth2_client_keys import Key, assertion_claims
from oauth2_rig import BASE, CALLBACK, CHALLENGE, SECRET, START, Rig, answer_of, json_of, page_of, provider

from ostiary.keys.certificate import generate_self_signed
from ostiary.keys.resources import CertificateKeyPair
from ostiary.proto.jose import Decrypter, MalformedToken, SigningKey, UnsupportedKey, algorithms_for, sign
from ostiary.proto.jose.jwe import MAX_ENCRYPTED_LENGTH
from ostiary.proto.oauth2.clients.assertion import JWT_BEARER

REQUEST = {
    "client_id": "wiki", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "state": "sealed",
    "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}  # fmt: skip
KINDS = {"rsa-2048": "RSA-OAEP-256", "ec-p256": "ECDH-ES"}
CONTENT = ("A256GCM", "A256CBC-HS512", "A128GCM", "A128CBC-HS256")


def pair(kind: Any) -> CertificateKeyPair:
    made = generate_self_signed(kind, "test", key_type=kind, now=START)
    return CertificateKeyPair(
        pk=f"enc-{kind}", name=f"enc {kind}", certificate_data=made.certificate_data, key_data=made.key_data
    )


def ready(rig: Rig, kind: str = "rsa-2048", **changes: Any) -> None:
    rig.change(pair(kind), provider(1, encryption_key=f"enc-{kind}", encryption_alg=KINDS[kind], **changes))


async def published(rig: Rig) -> Any:
    """Return the provider's key for encryption, as a client finds it."""
    keys = json_of(await rig.call("GET", "/application/o/wiki/jwks/"))["keys"]
    (found,) = [key for key in keys if key["use"] == "enc"]
    plain = {name: value for name, value in found.items() if name in {"kty", "n", "e", "crv", "x", "y"}}
    return jwk.import_key(plain)


def signed(**claims: object) -> str:
    return sign(json.dumps({**REQUEST, **claims}).encode(), SigningKey(SECRET.encode()))


async def sealed(
    rig: Rig, inner: str | None = None, *, alg: str = "RSA-OAEP-256", enc: str = "A256GCM", **header: Any
) -> str:
    made = {"alg": alg, "enc": enc, "cty": "JWT", **header}
    registry = jwe.JWERegistry(algorithms=[alg, enc, "DEF"], strict_check_header=False)
    return jwe.encrypt_compact(made, inner or signed(), await published(rig), registry=registry)


async def ask(rig: Rig, token: str) -> dict[str, str]:
    return answer_of(await rig.browser.authorize(request=token))


class TestEncrypted:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("enc", CONTENT)
    async def test_what_is_inside_counts(self, rig: Rig, kind: str, enc: str) -> None:
        ready(rig, kind)
        await rig.browser.sign_in()
        token = await sealed(rig, alg=KINDS[kind], enc=enc)
        assert (await ask(rig, token))["state"] == "sealed"
        pushed = await rig.call(
            "POST", "/application/o/par/", form={"client_id": "wiki", "client_secret": SECRET, "request": token}
        )
        assert pushed.status == 201, pushed.body

    async def test_discovery_tells_of_it(self, rig: Rig) -> None:
        where = "/application/o/wiki/.well-known/openid-configuration"
        before = json_of(await rig.call("GET", where))
        assert not [name for name in before if name.startswith("request_object_encryption")]
        for kind, algorithm in KINDS.items():
            ready(rig, kind)
            found = json_of(await rig.call("GET", where))
            assert found["request_object_encryption_alg_values_supported"] == [algorithm]
            assert found["request_object_encryption_enc_values_supported"] == list(CONTENT)
        rig.change(provider(1, encryption_key="enc-ec-p256", encryption_alg="ECDH-ES", client_type="public"))
        told = json_of(await rig.call("GET", where))
        assert "request_object_encryption_alg_values_supported" not in told, "nothing could be signed inside"

    async def test_without_the_private_half_nothing_is_offered_or_opened(self, rig: Rig) -> None:
        ready(rig)
        token = await sealed(rig)
        rig.change(CertificateKeyPair(pk="enc-rsa-2048", name="x", certificate_data=pair("rsa-2048").certificate_data))
        await rig.browser.sign_in()
        assert (await ask(rig, token))["error"] == "invalid_request_object"
        document = json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))
        assert "request_object_encryption_alg_values_supported" not in document

    async def test_a15_encryption_is_no_signature(self, rig: Rig) -> None:
        """Anybody has the public key: what comes out is judged like what comes plain."""
        ready(rig, require_signed_request_object=True)
        await rig.browser.sign_in()
        none = ".".join([_b64({"alg": "none"}), _b64(REQUEST), ""])
        stranger = Key()
        for inner in (
            json.dumps(REQUEST),
            none,
            none.rstrip(".") + ".AAAA",
            stranger.sign({"alg": "ES256", "jwk": stranger.jwk}, REQUEST),
            signed(client_id="other"),
            signed(sub="wiki"),
            await sealed(rig),  # twice
            "",
            "x",
            "é",
        ):
            assert (await ask(rig, await sealed(rig, inner or " ")))["error"] == "invalid_request_object", inner[:60]
        response = await rig.browser.authorize(request=await sealed(rig, signed(redirect_uri="https://evil.example/")))
        assert response.status == 400

    async def test_a15_algorithms_and_extensions(self, rig: Rig) -> None:
        ready(rig)
        await rig.browser.sign_in()
        good = await sealed(rig)
        for header in (
            {"alg": "RSA-OAEP"},
            {"enc": "A192GCM"},
            {"zip": "DEF"},
            {"cty": "xml"},
            {"crit": ["kid"], "kid": "x"},
        ):
            token = await sealed(rig, **header)
            assert (await ask(rig, token))["error"] == "invalid_request_object", header
        rewritten = _b64({"alg": "dir", "enc": "A256GCM"}) + good[good.index(".") :]
        doubled = (
            base64.urlsafe_b64encode(b'{"alg":"RSA-OAEP-256","alg":"RSA-OAEP-256","enc":"A256GCM"}')
            .decode()
            .rstrip("=")
        )
        for token in (
            rewritten,
            doubled + good[good.index(".") :],
            good[:-4] + "AAAA",
            "....",
            "a.b.c.d.e",
            good.replace(".", ".!", 1),
        ):
            assert (await ask(rig, token))["error"] == "invalid_request_object", token[:40]

    async def test_a15_another_curve_and_points_off_the_curve(self, rig: Rig) -> None:
        ready(rig, "ec-p256")
        await rig.browser.sign_in()
        token = await sealed(rig, alg="ECDH-ES")
        header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
        for epk in (
            {**header["epk"], "x": header["epk"]["y"]},
            {**header["epk"], "crv": "P-384"},
            {"kty": "OKP", "crv": "X25519", "x": header["epk"]["x"]},
            {"kty": "oct", "k": "AAAA"},
            None,
            7,
        ):
            forged = _b64({**header, "epk": epk}) + token[token.index(".") :]
            assert (await ask(rig, forged))["error"] == "invalid_request_object", epk

    async def test_the_browser_may_come_back_with_it(self, rig: Rig) -> None:
        ready(rig, "ec-p256")
        token = await sealed(rig, alg="ECDH-ES")
        assert page_of(await rig.browser.authorize(request=token)) == "/if/flow/login/"
        await rig.browser.sign_in()
        assert (await ask(rig, token))["iss"] == f"{BASE}/application/o/wiki/"


class TestDecrypter:
    def test_a15_sizes(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        with pytest.raises(MalformedToken, match="too long"):
            Decrypter(key).decrypt("a" * (MAX_ENCRYPTED_LENGTH + 1))
        with pytest.raises(MalformedToken):
            Decrypter(key).decrypt(_b64({"alg": "ECDH-ES", "enc": "A256GCM"}) + "." * MAX_ENCRYPTED_LENGTH)

    def test_a15_one_reason_for_every_failure(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        decrypter = Decrypter(key)
        assert repr(decrypter) == "Decrypter(RSA-OAEP-256)"
        other = jwk.RSAKey.import_key(rsa.generate_private_key(65537, 2048))
        header = {"alg": "RSA-OAEP-256", "enc": "A256CBC-HS512"}
        good = jwe.encrypt_compact(header, b"x", jwk.RSAKey.import_key(key), algorithms=list(header.values()))
        assert decrypter.decrypt(good) == b"x"
        parts = good.split(".")
        told = set()
        for token in (
            jwe.encrypt_compact(header, b"x", other, algorithms=list(header.values())),
            ".".join([*parts[:4], "AAAA"]),
            ".".join([*parts[:3], "AAAA", parts[4]]),
            ".".join([parts[0], "AAAA", *parts[2:]]),
            ".".join([parts[0], *parts[1:2], "AAAA", *parts[3:]]),
        ):
            with pytest.raises(MalformedToken) as caught:
                decrypter.decrypt(token)
            told.add(str(caught.value))
        assert told == {"it cannot be decrypted"}

    def test_a69_strangers_do_not_have_the_key_proved_again(self) -> None:
        """Anybody may send something encrypted: reading the RSA key anew for it held up everybody for 40 to 400 ms."""
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        decrypter, header = Decrypter(key), {"alg": "RSA-OAEP-256", "enc": "A256GCM"}
        good = jwe.encrypt_compact(header, b"x", jwk.RSAKey.import_key(pem), algorithms=list(header.values()))
        assert decrypter.decrypt(good) == b"x"
        proving = fastest(lambda: load_pem_private_key(pem, None))
        assert fastest(lambda: decrypter.decrypt(good)) < proving / 3

    def test_keys_to_which_nothing_is_encrypted(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        for key in (Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 1024)):  # noqa: S505
            with pytest.raises(UnsupportedKey):
                Decrypter(key)


def fastest(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of a few tries."""
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return min(took)


def signed_by(algorithm: str, key: Any, claims: dict[str, object], **header: object) -> str:
    """Sign with joserfc."""
    return jws.serialize_compact({"alg": algorithm, **header}, json.dumps(claims).encode(), key, algorithms=[algorithm])


class TestLongerHashes:
    RSA = rsa.generate_private_key(65537, 2048)

    @pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
    async def test_by_the_secret(self, rig: Rig, algorithm: str) -> None:
        from ostiary.seal import Secret

        secret = "s" * 64
        rig.change(provider(1, token_endpoint_auth_method="client_secret_jwt", client_secret=Secret(secret)))
        assertion = signed_by(algorithm, jwk.OctKey.import_key(secret), assertion_claims(rig.now))
        form = {"client_id": "wiki", "client_assertion_type": JWT_BEARER, "client_assertion": assertion}
        assert (await rig.token(None, grant_type="client_credentials", **form)).status == 200
        await rig.browser.sign_in()
        assert (await ask(rig, signed_by(algorithm, jwk.OctKey.import_key(secret), dict(REQUEST))))["state"] == "sealed"

    @pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
    async def test_by_an_rsa_key(self, rig: Rig, algorithm: str) -> None:
        key = jwk.RSAKey.import_key(self.RSA)
        public = {"keys": [key.as_dict(private=False)]}
        rig.change(provider(1, token_endpoint_auth_method="private_key_jwt", jwks=public))
        assertion = signed_by(algorithm, key, assertion_claims(rig.now))
        form = {"client_id": "wiki", "client_assertion_type": JWT_BEARER, "client_assertion": assertion}
        assert (await rig.token(None, grant_type="client_credentials", **form)).status == 200
        await rig.browser.sign_in()
        assert (await ask(rig, signed_by(algorithm, key, dict(REQUEST))))["state"] == "sealed"
        public["keys"][0]["alg"] = "RS256"
        rig.change(provider(1, jwks=public))
        assert (await ask(rig, signed_by(algorithm, key, dict(REQUEST))))["error"] == "invalid_request_object", (
            "one of it"
        )

    async def test_discovery_names_what_the_secret_is_long_enough_for(self, rig: Rig) -> None:
        document = json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))
        assert document["request_object_signing_alg_values_supported"] == list(algorithms_for(SECRET.encode()))

    def test_a14_a_short_secret_makes_no_long_signatures(self) -> None:
        assert algorithms_for(b"k" * 47) == ("HS256",)
        assert algorithms_for(b"k" * 48) == ("HS256", "HS384")
        assert algorithms_for(b"k" * 64) == ("HS256", "HS384", "HS512")


def _b64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
