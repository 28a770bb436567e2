"""Derived keys: one per purpose, and the same in every process with the secret key."""

from __future__ import annotations

from ostiary.seal import Secret
from ostiary.seal.derivation import DerivedKeys

KEYS = DerivedKeys(Secret("k" * 40))


def test_a_key_for_each_purpose() -> None:
    assert KEYS.key("web/form").hex() == "69818aec84ac7e59096cb9a6b3b891e0e9d6a50f3044982b473d32fd07553b79"
    assert len(KEYS.key("web/form")) == 32
    assert KEYS.key("web/form") == DerivedKeys(Secret("k" * 40)).key("web/form")
    assert KEYS.key("web/form") != KEYS.key("flows/cookie")
    assert KEYS.key("web/form") != DerivedKeys(Secret("l" * 40)).key("web/form")


def test_it_does_not_show_the_secret_key() -> None:
    assert "kkk" not in repr(KEYS)
