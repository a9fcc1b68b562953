"""A retailer's person of the small world: with a mail program that answers mail, and a browser that opens its links.

What they send goes through the world's mail server, logged in as themselves, so that it is known to be theirs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from caseproof.config.settings import read_settings
from caseproof.evidence.browser import ARGUMENTS, require_browser, started
from sandbox.mailbox import Mailbox

_LINK = re.compile(r"https?://\S+/answer/\S+")


@dataclass(frozen=True)
class Retailer:
    """Who gets our mail at ``address``, and what they do with it."""

    mailbox: Mailbox
    address: str
    name: str

    @property
    def letters(self) -> list[EmailMessage]:
        """The mails that came for them, oldest first."""
        return [kept.parsed for kept in self.mailbox.messages if self.address in kept.rcpt_tos]

    def answer(self, letter: EmailMessage, words: str) -> None:
        """Answer a mail, as a mail program does: above what it quotes, in the letter's thread."""
        self.mailbox.hand_in(self._reply(letter, f"{words}\n\n{_quoted(letter)}"), user=self.address)

    def is_away(self, letter: EmailMessage) -> None:
        """The automatic reply of somebody on holiday, with the words that would count if a person had written them."""
        reply = self._reply(letter, "I am on holiday until Monday. We renewed the access.")
        reply["Auto-Submitted"] = "auto-replied"
        self.mailbox.hand_in(reply, user=self.address, mail_from="<>")

    def passed_on(self, letter: EmailMessage, stranger: str, words: str) -> None:
        """Somebody who got the mail from them answers it, from an address that nobody registered."""
        reply = self._reply(letter, f"{words}\n\n{_quoted(letter)}")
        reply.replace_header("From", stranger)
        self.mailbox.hand_in(reply, user=stranger if stranger in self.mailbox.senders else "")

    def press(self, letter: EmailMessage, choice: str, words: str) -> str:
        """Open the letter's link in a browser, choose, type, send; returns what the page says then."""
        with _browser() as page:
            page.goto(link_in(letter))
            page.get_by_label(choice, exact=True).check()
            page.get_by_label("Your name").fill(self.name)
            page.get_by_label("In your own words").fill(words)
            page.get_by_role("button", name="Send the answer").click()
            return page.inner_text("main")

    def _reply(self, letter: EmailMessage, text: str) -> EmailMessage:
        reply = EmailMessage()
        reply["From"] = f'"{self.name}" <{self.address}>'
        reply["To"] = str(letter["Reply-To"] or letter["From"])
        reply["Subject"] = f"Re: {letter['Subject']}"
        reply["Message-ID"] = make_msgid(domain=self.address.rpartition("@")[2])
        reply["In-Reply-To"] = reply["References"] = str(letter["Message-ID"])
        reply.set_content(text)
        return reply


def link_in(letter: EmailMessage) -> str:
    """The link to the confirmation page. Raises LookupError where the letter has none."""
    body = letter.get_body(("plain",))
    found = _LINK.search(body.get_content() if body else "")
    if found is None:
        raise LookupError(f"There is no link to the confirmation page in {letter['Subject']!r}.")
    return found[0]


def _quoted(letter: EmailMessage) -> str:
    body = letter.get_body(("plain",))
    lines = (body.get_content() if body else "").splitlines()
    return "\n".join([f"On {letter['Date']}, {letter['From']} wrote:", *(f"> {line}" for line in lines)])


@contextmanager
def _browser() -> Iterator[Page]:
    """A page as it opens on a phone."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as home, sync_playwright() as playwright:
        program = require_browser(read_settings().browser)
        # Not in a folder of our own: Chromium makes a socket there, whose whole path may have 107 bytes.
        env = {name: value for name, value in os.environ.items() if name != "TMPDIR"} | {"HOME": home}
        chromium = started(
            program,
            lambda sandbox: playwright.chromium.launch(
                executable_path=program, args=ARGUMENTS, env=env, chromium_sandbox=sandbox
            ),
        )
        try:
            yield chromium.new_page(viewport={"width": 390, "height": 844})
        finally:
            chromium.close()
