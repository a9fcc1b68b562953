"""The keys of a mailing's letters: its links, and its signed address.

What is kept of a letter has none; they are put in when it leaves, the same again where it is repeated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy

from caseproof.channels.outbound.mail import MailError
from caseproof.evidence.answer_keys import fingerprint
from caseproof.evidence.key_hiding import hide_keys_in_text
from caseproof.evidence.signing import AnswerLink, hidden_letter, signed_letter
from caseproof.evidence.vault import Vault
from caseproof.procedure.core.idempotent_effect import Json
from caseproof.procedure.core.parts import ReplyAddresses
from caseproof.procedure.notify.threads import addressees, link_until

RFC822 = "message/rfc822"


def letters_of(told: Json) -> dict[int, tuple[list[str], str]]:
    """Each letter's addresses and digest. Before there were letters, one mail went to all contacts."""
    to, digests = addressees(told), [told["evidence"], *told.get("more", ())]
    if len(digests) == 1:
        return {1: (to, digests[0])}
    return {number: ([to[number - 1]], digest) for number, digest in enumerate(digests, start=1)}


def kept_letter(vault: Vault, told: Json, number: int) -> bytes | None:
    """The notice's n-th letter as it is kept, without its keys; None where it had no such letter."""
    letters = letters_of(told)
    if number in letters:
        return hidden_letter(vault.read(letters[number][1]))[0]
    one_for_all = len(letters) == 1 and number <= len(addressees(told))
    return hidden_letter(vault.read(told["evidence"]))[0] if one_for_all else None


def subject_of(vault: Vault, told: Json, number: int) -> str:
    """The subject of the notice's n-th letter; "" where it had no such letter, and there is no thread."""
    notice = kept_letter(vault, told, number)
    return str(message_from_bytes(notice, policy=policy.default)["Subject"] or "") if notice else ""


def more_of(digests: Sequence[str]) -> Json:
    """What a plan says of the letters after the first, by the digests of all."""
    return {"more": list(digests[1:])} if len(digests) > 1 else {}


def digest_of(content: bytes) -> str:
    """The hex SHA-256 of a letter."""
    return hashlib.sha256(content).hexdigest()


def hide_keys_in(error: MailError) -> None:
    """A mail server that says no may name our signed address; what it says is kept and shown."""
    error.problem, error.reason = hide_keys_in_text(error.problem), hide_keys_in_text(error.reason)
    error.args = tuple(hide_keys_in_text(str(one)) for one in error.args)


@dataclass(frozen=True, slots=True)
class LetterKeys:
    """Puts the keys into the letters of one mailing, kept in the vault; ``lead`` is the case of its address."""

    vault: Vault
    replies: ReplyAddresses
    lead: str

    def links(self, threads: Sequence[str]) -> Json:
        """What the letters' links are made of."""
        if self.replies.page is None or not threads:
            return {}
        return {"page": self.replies.page, "until": link_until(self.replies).isoformat(), "letters": list(threads)}

    def taken_out(self, plan: Json, file: Callable[[int], str]) -> Json:
        """The plan of a mailing from before letters were kept without their keys, as one is made now."""
        kept = [hidden_letter(self.vault.read(digest)) for _, digest in letters_of(plan).values()]
        digests = [
            self.vault.put(content, file(number), RFC822).digest for number, (content, _, _) in enumerate(kept, start=1)
        ]
        known = [(page, link) for _, page, link in kept if link is not None]
        links: Json = {}
        if known and len(known) == len(kept):
            page, last = known[0][0], max(link.expires for _, link in known)
            links = {"page": page, "until": last.isoformat(), "letters": [link.letter for _, link in known]}
        return {**plan, "evidence": digests[0], **more_of(digests), "links": links}

    def secret(self, told: Json) -> bytes | None:
        """What the mailing's letters are signed with now, None where nothing in them is signed, or is to be.

        The key may be replaced at any moment. So it is taken once for what leaves and what is written down of it.
        """
        if told.get("unsigned"):
            return None
        return self.replies.secret() if told["links"] or self.replies.answers.mailbox else None

    def signed(self, told: Json, number: int, secret: bytes | None) -> bytes:
        """The n-th letter as it leaves."""
        links, kept = told["links"], self.vault.read(letters_of(told)[number][1])
        link = AnswerLink(links["letters"][number - 1], datetime.fromisoformat(links["until"])) if links else None
        page = str(links.get("page", ""))
        if secret is None:
            return kept
        return signed_letter(secret, kept, ref=self.lead, page=page, link=link)

    def signed_by(self, plan: Json, secret: bytes | None) -> Json:
        """What is written down of the letters as they left: by which key they are signed, and their digests."""
        if secret is None:
            return {}
        sent = [digest_of(self.signed(plan, number, secret)) for number in letters_of(plan)]
        return {"key": fingerprint(secret), "sent": sent}
