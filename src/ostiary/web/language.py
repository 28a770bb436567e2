"""The language of a request, and the catalogs of translations. English is the source and needs no catalog."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from ostiary.web.request import Request

SOURCE_LANGUAGE: Final = "en"
COOKIE: Final = "authentik_language"
_CHOICES_LIMIT: Final = 16  # further languages of an Accept-Language are ignored
_HEAD: Final = 2_048  # characters that hold the header of a catalog
_OWN_NAME: Final = re.compile(r'^"X-Own-Name: ([^"\\]+)', re.MULTILINE)
_CACHED_HEADER: Final = 128  # characters; a longer header is not cached
_Texts = tuple[Mapping[str, str], Mapping[str, Mapping[int, str]]]


class Catalogs:
    """The translations in a folder, `<language>/messages.po`. Each is read on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, _Texts] = {}

    @cached_property
    def languages(self) -> frozenset[str]:
        """The available languages, including the source language."""
        return frozenset({SOURCE_LANGUAGE, *(file.parent.name for file in self._folder.glob("*/messages.po"))})

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The available languages by their tags, each under its own name, as its catalog says."""
        return {SOURCE_LANGUAGE: "English"} | {
            tag: self._own_name(tag) for tag in sorted(self.languages - {SOURCE_LANGUAGE})
        }

    def _own_name(self, language: str) -> str:
        head = (self._folder / language / "messages.po").read_text(encoding="utf-8")[:_HEAD]
        found = _OWN_NAME.search(head)
        return found[1] if found is not None else language

    def gettext(self, language: str, text: str) -> str:
        """Return the translation of a text, or the text itself if there is none."""
        return text if language == SOURCE_LANGUAGE else self._texts(language)[0].get(text) or text

    def ngettext(self, language: str, *, one: str, many: str, count: int) -> str:
        """Return the singular or plural form of a text, for languages with English plural rules, such as German."""
        if language != SOURCE_LANGUAGE:
            forms = self._texts(language)[1].get(one)
            if forms:
                return forms[0 if count == 1 else 1]
        return one if count == 1 else many

    def choose(self, request: Request) -> str:
        """Return the language of a request: by the cookie, else by Accept-Language, else English."""
        cookie = request.cookies.get(COOKIE)
        if cookie is not None and (chosen := _primary(cookie)) in self.languages:
            return chosen
        header = request.headers.get("accept-language", "")
        for language in _accepted(header) if len(header) <= _CACHED_HEADER else _accepted.__wrapped__(header):
            if language in self.languages:
                return language
        return SOURCE_LANGUAGE

    def _texts(self, language: str) -> _Texts:
        texts = self._loaded.get(language)
        if texts is None:
            if language not in self.languages:
                return {}, {}
            texts = self._loaded[language] = self._load(language)
        return texts

    def _load(self, language: str) -> _Texts:
        import polib  # noqa: PLC0415 - loaded with the first translation

        entries = polib.pofile(str(self._folder / language / "messages.po"))
        live = [entry for entry in entries if not entry.obsolete]
        return (
            {entry.msgid: entry.msgstr for entry in live},
            {entry.msgid: entry.msgstr_plural for entry in live if entry.msgid_plural},
        )


def _primary(tag: str) -> str:
    return tag.strip().partition("-")[0].partition("_")[0].lower()


@lru_cache(maxsize=256)
def _accepted(header: str) -> Sequence[str]:
    """Return the primary tags of an Accept-Language, by descending weight (RFC 9110 section 12.5.4)."""
    weighted = []
    for item in header.split(",")[:_CHOICES_LIMIT]:
        tag, _, parameter = item.partition(";")
        name, _, number = parameter.partition("=")
        try:
            weight = float(number) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if weight > 0:
            weighted.append((weight, _primary(tag)))
    return tuple(tag for _, tag in sorted(weighted, key=lambda pair: -pair[0]))


def translatable(text: str) -> str:
    """Return a text unchanged. Marks a constant for the catalogs; it is translated where it is shown."""
    return text
