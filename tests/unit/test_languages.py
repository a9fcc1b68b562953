"""The languages of our mail: all say the same, none says anything that reads as an answer, and a fault has a line."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from caseproof.channels.inbound.meaning import Meaning, meaning_of
from caseproof.channels.outbound.languages import (
    LANGUAGES,
    TEMPLATES,
    BrokenWords,
    Phrases,
    check_phrases,
    day,
    language_of,
    languages_in,
    moment,
    words,
)
from caseproof.channels.outbound.samples import KINDS, check_templates, every_mail
from caseproof.domain.vocabulary import CAUSES

AT = datetime(2026, 11, 27, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
CONSENT = re.compile(
    r"\b(yes|yep|ok|okay|done|confirm\w*|agree\w*|fixed|resolved|solved|complet\w+|approv\w+|renewed|removed?|updated|"
    r"corrected|changed it|go ahead|correct,|ja|jawohl|erledigt|gemacht|geändert|behoben|bestätig\w+|einverstanden|"
    r"umgesetzt|angepasst|erneuert|aktualisiert|korrigiert|entfernt|gelöscht|gekündigt|fertig|passt|in ordnung|"
    r"abgeschlossen|gelöst|repariert)\b(?<!Correct)",
    re.IGNORECASE,
)
"""What nobody may find quoted from us below an answer; what the reader of answers makes of it is tested beside."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TEMPLATES, tmp_path / "templates"))


def put(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")


def bodies(message: EmailMessage) -> tuple[str, str]:
    there = message_from_bytes(message.as_bytes(), policy=policy.default)
    text, html = there.get_body(("plain",)), there.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


# -- which language -------------------------------------------------------------------------------------------------


def test_english_and_german_are_shipped_and_each_folder_with_words_is_a_language() -> None:
    assert LANGUAGES == ("en", "de")
    assert {folder.name for folder in TEMPLATES.iterdir() if folder.is_dir()} == set(LANGUAGES)


@pytest.mark.parametrize(
    ("wanted", "default", "spoken"),
    [
        ("de", "en", "de"), ("DE", "en", "de"), ("de-AT", "en", "de"), ("de_at", "en", "de"), (" de ", "en", "de"),
        ("fr", "de", "de"), ("", "de", "de"), ("fr", "it", "en"), ("", "", "en"), ("../en", "de", "de"),
    ],
)  # fmt: skip
def test_a_contact_gets_their_language_or_the_policys_or_english(wanted: str, default: str, spoken: str) -> None:
    assert language_of(wanted, default) == spoken


def test_days_and_times_are_written_as_the_language_does_and_in_utc() -> None:
    assert day(AT, "en") == "28 November 2026"
    assert day(AT, "de") == "28. November 2026"
    assert moment(AT, "en") == "28 November, 01:30 (UTC)"
    assert moment(AT, "de") == "28. November, 01:30 Uhr (UTC)"
    assert Phrases("en").weekday(AT) == "Saturday, 28 November 2026"
    assert Phrases("de").weekday(AT) == "Samstag, den 28. November 2026"


@pytest.mark.parametrize(
    ("zone", "english", "german"),
    [
        ("Europe/Berlin", "29 November, 14:05 (Berlin time)", "29. November, 14:05 Uhr (Ortszeit Berlin)"),
        ("America/New_York", "29 November, 08:05 (New York time)", "29. November, 08:05 Uhr (Ortszeit New York)"),
        ("Europe/Brussels", "29 November, 14:05 (Brussels time)", "29. November, 14:05 Uhr (Ortszeit Brüssel)"),
        ("Etc/GMT-3", "29 November, 16:05 (UTC+03:00)", "29. November, 16:05 Uhr (UTC+03:00)"),
        ("UTC", "29 November, 13:05 (UTC)", "29. November, 13:05 Uhr (UTC)"),
    ],
)
def test_an_hour_is_told_by_the_clocks_of_a_place_that_is_named(zone: str, english: str, german: str) -> None:
    at = datetime(2026, 11, 29, 13, 5, tzinfo=UTC)
    assert Phrases("en", zone=ZoneInfo(zone)).moment(at) == english
    assert Phrases("de", zone=ZoneInfo(zone)).moment(at) == german


def test_a_day_is_that_of_the_place_whose_clocks_count() -> None:
    assert Phrases("en", zone=ZoneInfo("Asia/Tokyo")).weekday(datetime(2026, 11, 26, 16, tzinfo=UTC)).startswith("Fri")


def test_lists_and_numbers_take_the_forms_of_the_language() -> None:
    english, german = Phrases("en"), Phrases("de")
    assert [english.listed(["a", "b", "c"][:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert german.listed(["a", "b", "c"]) == "a, b und c"
    assert german.count("subject_jobs", 1) == "1 Aufgabe"
    assert german.count("subject_jobs", 21) == "21 Aufgaben"


def test_what_is_filled_in_is_not_read_for_placeholders() -> None:
    assert Phrases("en")("deadline", day="{n} {0.__class__} %s") == "Please answer by {n} {0.__class__} %s."


# -- no words of ours read as an answer -----------------------------------------------------------------------------


def every_line(language: str) -> Iterator[tuple[str, str]]:
    """Each mail's subject, its whole text, and each line of it: mail programs and people quote any part of a mail."""
    for name, message in every_mail(language):
        text, html = bodies(message)
        plain = re.sub(r"<[^>]*>", " ", html)
        lines = [line.lstrip("> 0123456789.-") for line in text.splitlines()]
        yield from ((name, said) for said in dict.fromkeys((str(message["Subject"]), text, plain, *lines)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_mail_of_ours_quoted_below_an_answer_reads_as_a_confirmation(language: str) -> None:
    said = {one: name for name, one in every_line(language)}
    assert len(said) > 150
    assert [(said[one], CONSENT.findall(one)) for one in said if CONSENT.search(one)] == []
    read = {one: meaning_of(one) for one in said}
    assert {one: read[one] for one in said if read[one] in (Meaning.CHANGED, Meaning.REMOVE)} == {}


# -- every mail is made at start ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_and_every_cause_is_made_and_leaves_no_gap_and_no_placeholder(language: str) -> None:
    made = list(every_mail(language))
    assert {name.partition(",")[0] for name, _ in made} == set(KINDS)
    assert {name.split(", ")[1] for name, _ in made if name.startswith("notice")} == set(CAUSES)
    for name, message in made:
        text, html = bodies(message)
        assert f'<html lang="{language}">' in html
        for said in (message["Subject"], text, re.sub(r'style="[^"]*"', "", html)):
            assert not re.search(r"None|Undefined|[{}]|\bcontact\b.*=", said), name
        assert "\n\n\n\n" not in text.replace("\r\n", "\n")
        assert not re.search(r" [.,;]|  \w", text.replace("> ", "")), name


def test_what_is_shipped_holds() -> None:
    assert re.fullmatch(r"\d+ mails in en, de", check_templates())


def test_another_language_is_another_folder(copy: Path) -> None:
    shutil.copytree(copy / "en", copy / "fr")
    put(copy / "fr/words.yaml", "locale: en_GB", "locale: fr")
    put(copy / "fr/words.yaml", "hello: Hello,", "hello: Bonjour,")
    for file in (copy / "fr").glob("*.yaml"):
        english = words("en", file.stem)
        many = {key.replace(".other", ".many"): said for key, said in english.items() if key.endswith(".other")}
        with file.open("a", encoding="utf-8") as more:  # French has a form for millions
            more.write("\n" + "".join(f"{key}: {json.dumps(said)}\n" for key, said in many.items()))
    assert languages_in(copy) == ("en", "de", "fr")
    assert check_templates(copy).endswith("en, de, fr")
    assert Phrases("fr", folder=copy)("hello") == "Bonjour,"


BROKEN = [
    ("de/words.yaml", "hello: Guten Tag!\n", "", "de/words.yaml has no phrase hello"),
    ("de/words.yaml", "hello: Guten Tag!", "hallo: Guten Tag!\nhello: Guten Tag!", "line 10: nothing asks for hallo"),
    ("de/words.yaml", "Guten Tag {name}!", "Guten Tag {nmae}!", "line 11: hello_name has other placeholders"),
    ("de/words.yaml", "hello: Guten Tag!", "hello:", "line 10: hello is no text"),
    ("de/words.yaml", "hello: Guten Tag!", "hello: [", "is not YAML at line 1"),
    ("de/words.yaml", "hello: Guten Tag!", "hello: a\nhello: b", "line 11, column 1: hello stands there twice"),
    ("de/words.yaml", "locale: de_DE", "locale: xx_YY", "line 5: Babel knows no locale 'xx_YY'"),
    ("de/words.yaml", "subject_jobs.one:", "subject_jobs.few:", "de/words.yaml has no phrase subject_jobs.one"),
    (
        "en/words.yaml",
        "hello_name: Hello {name},",
        "hello_name: Hello {name,",
        "line 11: hello_name cannot be filled in",
    ),
    (
        "notice.html.j2",
        "{{ numbered(steps) }}",
        "{{ numbered(stepps) }}",
        "notice.html.j2, line 28 is broken: 'stepps'",
    ),
    ("notice.txt.j2", "{{ lead }}", "{{ lead", "notice.txt.j2, line 13 is broken"),
    ("notice.txt.j2", 'say("heading_next")', 'say("heading_nxt")', "en/words.yaml: has no phrase heading_nxt"),
    ("recovery.html.j2", "bullets(jobs)", "bullets(job)", "recovery.html.j2, line 14 is broken: 'job' is undefined"),
    ("de/causes/sync.j2", "{% set steps %}", "{% set stepps %}", "de/causes/sync.j2 has nothing under 'steps'"),
    ("de/causes/sync.j2", "Diese Aufgabe", "Diese <b>Aufgabe", "de/causes/sync.j2, line 3 holds <, > or &"),
    ("de/causes/sync.j2", "{% endset %}", "", "de/causes/sync.j2, line"),
    ("de/incident.j2", "{{ marketplace }}", "{{ market }}", "de/incident.j2, line 1 is broken: 'market' is undefined"),
]


@pytest.mark.parametrize(("file", "before", "after", "told"), BROKEN, ids=[f"{one[0]} {one[2][:20]}" for one in BROKEN])
def test_a_broken_template_is_found_at_start_and_named_with_its_line(
    copy: Path, file: str, before: str, after: str, told: str
) -> None:
    put(copy / file, before, after)
    with pytest.raises(BrokenWords) as refused:
        check_templates(copy)
    assert told in str(refused.value)
    assert refused.value.next_action


@pytest.mark.parametrize("file", ["de/causes/feed.j2", "de/incident.j2", "notice.txt.j2", "recovery.html.j2"])
def test_a_missing_template_is_found_at_start(copy: Path, file: str) -> None:
    (copy / file).unlink()
    with pytest.raises(BrokenWords, match=f"{file} is missing"):
        check_templates(copy)


def test_a_file_of_phrases_that_one_language_lacks_is_found_at_start(copy: Path) -> None:
    (copy / "en/more.yaml").write_text("one: One\n", encoding="utf-8")
    with pytest.raises(BrokenWords, match=r"de/more\.yaml cannot be read"):
        check_phrases(copy)


def test_the_day_of_a_time_is_that_of_utc() -> None:
    assert day(datetime(2026, 1, 2, tzinfo=UTC), "en") == "2 January 2026"
