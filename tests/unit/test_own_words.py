"""Which lines of a mail are its writer's own, in the shapes that mail programs give to an answer."""

from __future__ import annotations

import pytest

from caseproof.channels.inbound.own_words import CUT, own_words

QUOTE = "> Please renew the token.\n> Is it done?"

TOP_POSTED = {
    "Gmail": f"Done.\n\nOn Sat, Nov 21, 2026 at 9:51 PM Cases <cases@example.com> wrote:\n\n{QUOTE}\n",
    "Gmail, wrapped": f"Done.\n\nOn Sat, Nov 21, 2026 at 9:51 PM Cases of the Shop\n<cases@example.com> "
    f"wrote:\n\n{QUOTE}",
    "Gmail in German": f"Done.\n\nAm Sa., 21. Nov. 2026 um 21:51 Uhr schrieb Cases <cases@example.com>:\n\n{QUOTE}",
    "Gmail in French": f"Done.\n\nLe sam. 21 nov. 2026 à 21:51, Cases <cases@example.com> a écrit :\n\n{QUOTE}",
    "Gmail in Japanese": f"Done.\n\n2026年11月21日(土) 21:51 Cases <cases@example.com>:\n\n{QUOTE}",
    "Gmail in Polish": f"Done.\n\nsob., 21 lis 2026 o 21:51 Cases <cases@example.com> napisał(a):\n\n{QUOTE}",
    "Apple Mail": f"Done.\n\n> On 21 Nov 2026, at 21:51, Cases <cases@example.com> wrote:\n> \n{QUOTE}",
    "Thunderbird": f"Done.\n\nOn 21/11/2026 21:51, Cases wrote:\n{QUOTE}\n",
    "Thunderbird in German": f"Done.\n\nAm 21.11.26 um 21:51 schrieb Cases:\n{QUOTE}\n",
    "quote without marks": "Done.\n\nOn 21/11/2026 21:51, Cases wrote:\nPlease renew the token.\nYes?\n",
    "Outlook": "Done.\n\nFrom: Cases <cases@example.com>\nSent: Saturday, 21 November 2026 21:51\nTo: Owner\n"
    "Subject: [JF-000001]\n\nPlease renew the token.",
    "Outlook in German": "Done.\n\nVon: Cases <cases@example.com>\nGesendet: Samstag, 21. November 2026 "
    "21:51\nAn: Owner\n"
    "Betreff: [JF-000001]\n\nBitte erneuern Sie den Token.",
    "Outlook with a rule": "Done.\n\n________________________________\nFrom: Cases <cases@example.com>\n"
    "Sent: Saturday\nTo: Owner\nSubject: x\n\nPlease renew.",
    "Outlook with stars": "Done.\n\n*From:* Cases <cases@example.com>\n*Sent:* Saturday\n*To:* "
    "Owner\n*Subject:* x\n\nPlease.",
    "Outlook, old": "Done.\n\n-----Original Message-----\nFrom: Cases\n\nPlease renew.",
    "Outlook, old, in German": "Done.\n\n-----Ursprüngliche Nachricht-----\nVon: Cases\n\nBitte erneuern.",
    "a phone": f"Done.\n\nSent from my iPhone\n\n> On 21 Nov 2026, at 21:51, Cases wrote:\n{QUOTE}",
    "a phone in German": f"Done.\n\nVon meinem iPhone gesendet\n\n> Am 21.11.2026 um 21:51 schrieb Cases:\n{QUOTE}",
    "Outlook on a phone": "Done.\n\nGet Outlook for Android\n________________________________\nFrom: "
    "Cases\nSent: Saturday\n"
    "To: Owner\nSubject: x\n\nPlease.",
    "signature": f"Done.\n-- \nOwner\nShop Ltd, not a bank\n\nOn 21/11/2026 21:51, Cases wrote:\n{QUOTE}",
    "forward": "Done.\n\n---------- Forwarded message ---------\nFrom: Admin "
    "<admin@shop.example>\nDate: Sat\n\nIt is not done.",
    "forward on a Mac": "Done.\n\nBegin forwarded message:\n\nFrom: Admin\nSubject: x\n\nIt is not done.",
    "forward in German": "Done.\n\n-------- Weitergeleitete Nachricht --------\nVon: Admin\n\nNicht erledigt.",
    "carriage returns": "Done.\r\n\r\nOn 21/11/2026 21:51, Cases wrote:\r\n> Please\r\n",
}


@pytest.mark.parametrize("text", TOP_POSTED.values(), ids=TOP_POSTED.keys())
def test_an_answer_above_the_quote_is_all_that_is_own(text: str) -> None:
    assert own_words(text).strip() == "Done."


def test_an_answer_below_the_quote_is_own() -> None:
    assert own_words(f"On 21/11/2026 21:51, Cases wrote:\n{QUOTE}\n\nDone.\n-- \nOwner") == "Done."


def test_answers_between_quoted_lines_stay_all_of_them() -> None:
    asked = "On 21/11/2026, Cases wrote:\n> Is the token new?"
    text = f"Hello,\n\n{asked}\nYes.\n> Does it work?\nNo, it still fails.\n> Thanks"
    assert own_words(text).split("\n") == ["Hello,", "", "Yes.", "No, it still fails."]


def test_a_signature_ends_where_a_quote_begins() -> None:
    assert own_words("Done.\n-- \nOwner\n> Does it work?\nNo.") == "Done.\nNo."


def test_a_list_at_the_end_is_no_signature() -> None:
    assert own_words("Done:\n\n- the token\n- but not the address") == "Done:\n\n- the token\n- but not the address"


def test_lines_stay_verbatim() -> None:
    assert own_words("  Done,  we\tthink… \n\n\nSecond\u00a0line ☂") == "  Done,  we\tthink… \n\n\nSecond\u00a0line ☂"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        QUOTE,
        f"On 21/11/2026 21:51, Cases wrote:\n{QUOTE}",
        "-- \nOwner",
        "Sent from my iPhone",
        "From: Cases\nSent: Saturday\nTo: Owner\nSubject: x\n\nIs it done?",
        "> Done",
        "Begin forwarded message:\n\nDone.",
    ],
)
def test_a_mail_without_words_of_its_own_is_empty(text: str) -> None:
    assert own_words(text) == ""


@pytest.mark.parametrize(
    "line",
    [
        "As my colleague wrote:",
        "Sent from my desk, it is not done",
        "-- and more",
        "Note to the team: it is done",
        "On Friday we renewed it",
        "____",
    ],
)
def test_what_only_looks_like_a_quote_or_a_signature_stays(line: str) -> None:
    assert own_words(f"Hello\n{line}\nbye") == f"Hello\n{line}\nbye"


def test_that_a_text_was_cut_stays_in_sight() -> None:
    assert own_words(f"Done.\n\nOn 21/11/2026 21:51, Cases wrote:\nPlease\n{CUT}") == f"Done.\n\n{CUT}"


@pytest.mark.parametrize("line", ["Colleague wrote:", "Die Kollegin schrieb:"])
def test_what_stands_below_a_line_that_only_names_its_writer_is_not_the_answers(line: str) -> None:
    assert own_words(f"{line}\nWe renewed the token.") == ""
    assert own_words(f"Please see.\n\n{line}\nWe renewed the token.").strip() == "Please see."
