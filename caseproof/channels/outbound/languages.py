"""The languages that our mail and the page for retailers speak: one folder a language, and the phrases in it.

A folder under ``templates/`` with a ``words.yaml`` is a language; every sentence that a retailer reads stands there,
and none in Python. A phrase may have {placeholders}. One that depends on a number stands there once for each plural
form that its language has (Unicode's names): ``stopped.one``, ``stopped.other``. Dates, lists and plural forms come
from Babel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from string import Formatter
from types import MappingProxyType

import yaml
from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime, get_timezone_gmt, get_timezone_location
from babel.lists import format_list

from caseproof.config.yaml_file import entries_of, read_text
from caseproof.domain.errors import BadInput

TEMPLATES = Path(__file__).with_name("templates")
ENGLISH = "en"


class BrokenWords(BadInput):
    """A template or a file of phrases is missing or broken. The text names the file, and the line if there is one."""


def languages_in(folder: Path) -> tuple[str, ...]:
    """The languages whose words are in a folder of templates, English first."""
    found = {file.parent.name for file in folder.glob("*/words.yaml")}
    return tuple(sorted(found, key=lambda one: (one != ENGLISH, one)))


LANGUAGES = languages_in(TEMPLATES)
"""The languages that are shipped."""


def language_of(wanted: str, default: str) -> str:
    """The language to write in: the one that is wanted ("de", "de-AT", "DE_at"), else the default, else English."""
    return _known(wanted) or _known(default) or ENGLISH


def _known(tag: str) -> str | None:
    """The language of ours that a tag names; None for none."""
    whole = tag.strip().replace("-", "_").lower()
    names = {name.lower(): name for name in LANGUAGES}
    return names.get(whole) or names.get(whole.partition("_")[0])


def require_language(wanted: str) -> None:
    """Raise BadInput for a language ("fr", "fr-ch") that no mail is written in; an empty one says nothing.

    Without a word it would become English: the retailer's answer would tell, and nobody else.
    """
    if wanted.strip() and _known(wanted) is None:
        raise BadInput(
            f"No mail is written in {wanted!r}.",
            f"Use one of {', '.join(LANGUAGES)}; left empty, the policy's mail.language counts.",
        )


def words(language: str, name: str = "words", folder: Path = TEMPLATES) -> Mapping[str, str]:
    """The phrases of one file of a language, by their keys. Raises BrokenWords."""
    path = folder / language / f"{name}.yaml"
    return _phrases(read_text(path, "file of phrases", BrokenWords, unreadable="Restore it."), path)


@cache
def _phrases(text: str, path: Path) -> Mapping[str, str]:
    read = entries_of(text, path, "file of phrases", BrokenWords, empty="Write its phrases.")
    for key, phrase in read.items():
        if not isinstance(key, str) or not isinstance(phrase, str) or not phrase.strip():
            raise BrokenWords(f"{at_key(path, str(key))}: {key} is no text.", "Write its phrase, in quotes if need be.")
    return MappingProxyType({key: " ".join(phrase.split()) for key, phrase in read.items()})


def at_key(path: Path, key: str) -> str:
    """Where a key stands: the file with its language, and the line if there is one."""
    where = f"{path.parent.name}/{path.name}"
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return where
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    line = next((node.start_mark.line + 1 for node, _ in entries if node.value == key), None)
    return f"{where}, line {line}" if line else where


def _locale(language: str, folder: Path) -> Locale:
    """Babel's knowledge of a language; ``locale`` in its words.yaml names it (en_GB)."""
    named = words(language, "words", folder).get("locale", language)
    try:
        return Locale.parse(named)
    except (UnknownLocaleError, ValueError, TypeError) as error:
        path = folder / language / "words.yaml"
        raise BrokenWords(
            f"{at_key(path, 'locale')}: Babel knows no locale {named!r}.", "Name one like en_GB."
        ) from error


class Phrases:
    """The phrases of one language, ready to be said; times are told in ``zone``, which is named with each hour."""

    def __init__(
        self, language: str, name: str = "words", folder: Path = TEMPLATES, zone: tzinfo = UTC
    ) -> None:  # fmt: skip
        self.language = language
        self._zone = zone
        self._path = folder / language / f"{name}.yaml"
        self._words = words(language, name, folder)
        self._common = words(language, "words", folder)
        self._locale = _locale(language, folder)

    def __call__(self, key: str, /, **values: object) -> str:
        """A phrase with its placeholders filled in. Raises BrokenWords."""
        try:
            return self._words[key].format_map(values)
        except KeyError as error:
            missing = f"has no phrase {key}" if key not in self._words else f"{key} wants {{{error.args[0]}}}"
        except (ValueError, IndexError, AttributeError) as error:
            missing = f"{key} cannot be filled in: {error}"
        raise BrokenWords(f"{at_key(self._path, key)}: {missing}.", "Correct that phrase.")

    def count(self, key: str, n: int, /, **values: object) -> str:
        """A phrase that depends on a number, in the right plural form; {n} is that number."""
        return self(f"{key}.{self._locale.plural_form(n)}", n=n, **values)

    def listed(self, names: Sequence[str]) -> str:
        """One name, or several as people list them."""
        return format_list(list(names), locale=self._locale)

    def day(self, at: datetime) -> str:
        """The day: 27 November 2026."""
        return self._date("format_day", at)

    def weekday(self, at: datetime) -> str:
        """The day with its name: Friday, 27 November 2026."""
        return self._date("format_weekday", at)

    def moment(self, at: datetime) -> str:
        """Day and time, and whose time it is: 29 November, 14:05 (Berlin time)."""
        return f"{self._date('format_moment', at)} ({self._whose_time(at.astimezone(self._zone))})"

    def _date(self, key: str, at: datetime) -> str:
        return str(format_datetime(at.astimezone(UTC), self._common[key], tzinfo=self._zone, locale=self._locale))

    def _whose_time(self, at: datetime) -> str:
        """The place whose clocks show this time; a zone of no place is told by how far it is from UTC."""
        place = get_timezone_location(at, locale=self._locale, return_city=True)
        if any(name in place for name in ("UTC", "GMT")):
            far = get_timezone_gmt(at, locale="en").replace("GMT", "UTC")
            return far if at.utcoffset() != timedelta() else "UTC"
        return self._common["place_time"].format(place=place.rpartition("/")[2])


def day(at: datetime, language: str) -> str:
    """The day of an aware time, in UTC, as a language writes it: 27 November 2026."""
    return Phrases(language).day(at)


def moment(at: datetime, language: str) -> str:
    """An aware time with its day, in UTC: 27 November, 08:00 (UTC)."""
    return Phrases(language).moment(at)


# -- whether all languages say the same ------------------------------------------------------------------------------

_FORM = re.compile(r"\.(zero|one|two|few|many|other)$")


def check_phrases(folder: Path = TEMPLATES) -> None:
    """Every language has English's files, in them English's phrases, and in those English's placeholders.

    Raises BrokenWords, which names file, key and line.
    """
    for language in languages_in(folder):
        forms = {"other", *_locale(language, folder).plural_form.tags}
        for file in sorted((folder / ENGLISH).glob("*.yaml")):
            _compare(folder / language / file.name, words(ENGLISH, file.stem, folder), forms, folder)


def _compare(path: Path, english: Mapping[str, str], forms: set[str], folder: Path) -> None:
    own = words(path.parent.name, path.stem, folder)
    wanted = {one for key in english for one in _expected(key, forms)}
    for key in sorted(wanted - own.keys()):
        raise BrokenWords(f"{path.parent.name}/{path.name} has no phrase {key}.", "Write it.")
    for key in sorted(own.keys() - wanted):
        raise BrokenWords(f"{at_key(path, key)}: nothing asks for {key} (misspelt?).", "Take it out or correct it.")
    for key, phrase in own.items():
        said = english.get(key) or english[_FORM.sub(".other", key)]
        english_has = _placeholders(path.parents[1] / ENGLISH / path.name, key, said)
        # A form for one certain number may leave the number out.
        if (_placeholders(path, key, phrase) ^ english_has) - {"n"}:
            names = ", ".join(sorted(f"{{{one}}}" for one in english_has)) or "none"
            raise BrokenWords(
                f"{at_key(path, key)}: {key} has other placeholders than English: {names}.", "Correct it."
            )


def _placeholders(path: Path, key: str, phrase: str) -> set[str]:
    try:
        names = {name for _, name, _, _ in Formatter().parse(phrase) if name is not None}
        if all(name.isidentifier() for name in names):
            return names
        why = "a placeholder is a plain name, like {job}"
    except ValueError as error:
        why = str(error)
    raise BrokenWords(f"{at_key(path, key)}: {key} cannot be filled in: {why}.", "Correct that phrase.")


def _expected(key: str, forms: set[str]) -> list[str]:
    stem = _FORM.sub("", key)
    return [key] if stem == key else [f"{stem}.{form}" for form in forms]
