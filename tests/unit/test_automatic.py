"""Why a program wrote a mail: by what its subject and first words say, in many languages (J8)."""

from __future__ import annotations

import pytest

from caseproof.channels.inbound.automatic import automatic_by_words


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: [JF-000001] x",
        "Out of Office: Re: x",
        "Out of office until 5 December",
        "OOO",
        "[Auto-Reply] x",
        "Automatische Antwort: x",
        "Abwesenheitsnotiz",
        "Abwesend bis 3.12.",
        "Réponse automatique : x",
        "Respuesta automática: x",
        "Risposta automatica: x",
        "Automatisch antwoord: x",
        "Odpowiedź automatyczna: x",
        "Resposta automática: x",
        "Autosvar: x",
        "Automatiskt svar: x",
        "Automatisk svar: x",
        "Fraværsmelding",
        "Automaattinen vastaus: x",
        "Automatická odpověď: x",
        "Otomatik yan\u0131t: x",
        "自動応答: x",
        "不在通知",
        "Автоответ: x",
    ],
)
def test_an_automatic_replys_subject_is_recognised(subject: str) -> None:
    assert automatic_by_words(subject, "Done.")


@pytest.mark.parametrize(
    "subject",
    [
        "Re: out of office printer",
        "Out of office printer",
        "AW: Urlaub",
        "Urlaubsplan",
        "Re: Automatic reply",
        "Away team",
        "Absent fields in the feed",
        "[JF-000001] x",
        "",
        "Ferien",
    ],
)
def test_a_persons_subject_is_not(subject: str) -> None:
    assert automatic_by_words(subject, "Done.") == ""


@pytest.mark.parametrize(
    "words",
    [
        "I am currently out of the office and will be back on Monday.",
        "Hello,\n\nI'm on vacation until 5 December.",
        "This is an automated response.",
        "We have received your message.",
        "Thank you. Your request #12 has been received.",
        "Vielen Dank für Ihre Nachricht. Ich bin derzeit nicht im Büro.",
        "Ich bin bis 5.12. nicht erreichbar.",
        "Ich bin im Urlaub.",
        "Dies ist eine automatisch erstellte Antwort.",
        "Je suis absente jusqu'au 5 décembre.",
        "Estoy fuera de la oficina.",
        "Sono in ferie fino al 5.",
        "Ik ben momenteel afwezig.",
        "Jestem na urlopie.",
        "Estou de férias.",
        "Jag är på semester.",
        "Jeg er på ferie.",
        "Olen lomalla.",
        "Jsem na dovolené.",
        "Şu anda izindeyim.",
        "ただいま不在にしております。",
    ],
)
def test_an_automatic_replys_first_words_are_recognised_without_headers(words: str) -> None:
    assert automatic_by_words("Re: x", words)


@pytest.mark.parametrize(
    "words",
    [
        "I was out of office, but now the token is renewed.",
        "Done.",
        "Not yet, my colleague is back on Monday.",
        "I renewed the token. From Monday on I am on vacation.",
        "Wir haben den Token erneuert. Ich bin im Urlaub.",
    ],
)
def test_a_persons_words_are_not(words: str) -> None:
    assert automatic_by_words("Re: x", words) == ""
