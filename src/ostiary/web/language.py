"""The language of a request, and the catalogs of translations. English is the source and needs no catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from ostiary.web.request import Request

SOURCE_LANGUAGE: Final = "en"
COOKIE: Final = "authentik_language"
_CHOICES_LIMIT: Final = 16  # languages of one Accept-Language that are read
_CACHED_HEADER: Final = 128  # characters of the longest header that is cached
_Texts = tuple[Mapping[str, str], Mapping[str, Mapping[int, str]]]


class Catalogs:
    """The translations below one folder, `<language>/messages.po`, each read on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, _Texts] = {}

    @cached_property
    def languages(self) -> frozenset[str]:
        """The available languages, the source included."""
        return frozenset({SOURCE_LANGUAGE, *(file.parent.name for file in self._folder.glob("*/messages.po"))})

    def gettext(self, language: str, text: str) -> str:
        """Return the translation of a text, or the text itself without one."""
        return text if language == SOURCE_LANGUAGE else self._texts(language)[0].get(text) or text

    def ngettext(self, language: str, *, one: str, many: str, count: int) -> str:
        """Return the text for a number (for languages with the plural rules of English, such as German)."""
        if language != SOURCE_LANGUAGE:
            forms = self._texts(language)[1].get(one)
            if forms:
                return forms[0 if count == 1 else 1]
        return one if count == 1 else many

    def choose(self, request: Request) -> str:
        """Return the language of a request: the cookie's, else the best of Accept-Language, else English."""
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
        import polib  # noqa: PLC0415 - read only when somebody needs a translation

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
    """Return the primary tags of an Accept-Language by falling weight (RFC 9110 section 12.5.4)."""
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
    """Return the text as it is: a constant that is translated where it is shown, marked for the catalogs."""
    return text
