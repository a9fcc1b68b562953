"""A made-up Teams: Workflows web hooks that keep the cards that they are sent.

Run it with ``python -m sandbox.teams --port 8402``. Like the real one it answers 202 to what it takes, before it
posts; it takes an address only with the ``sig`` that is its own, letter by letter, and no message over 28 KB. ``GET
/simulator`` lists the cards that were posted.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from sandbox.farm_http import Asked, Reply
from sandbox.provider import Simulator, main

PATH = "/powerautomate/automations/direct/workflows/0f1e2d/triggers/manual/paths/invoke"
QUERY = "api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=a-made_up%2Bsignature~1"
CARD = "application/vnd.microsoft.card.adaptive"
LARGEST = 28 * 1024


class Teams(Simulator):
    """The channel: ``cards`` are those that people see."""

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[dict[str, Any]] = []

    def told(self) -> Any:
        return {"cards": self.cards, "requests": len(self.asked)}

    def served(self, asked: Asked) -> Reply:
        if (asked.method, asked.path) != ("POST", PATH):
            return _refused(404, "WorkflowNotFound", "The workflow could not be found.")
        if asked.raw_query != QUERY:
            return _refused(401, "DirectApiAuthorizationRequired", "The signature is not valid.")
        if len(json.dumps(asked.body)) > LARGEST:
            return _refused(413, "RequestEntityTooLarge", "The message is too large.")
        try:
            (attachment,) = asked.body["attachments"]
            fits = asked.body["type"] == "message" and attachment["contentType"] == CARD
            card = attachment["content"]
            fits = fits and card["type"] == "AdaptiveCard"
        except (KeyError, TypeError, ValueError):
            fits = False
        if fits:  # else it answers 202, too, and the workflow fails where nobody sees it
            self.cards.append(card)
        return self.pretended(asked)

    def pretended(self, _asked: Asked) -> Reply:
        return Reply(None, 202)

    def words(self) -> str:
        """All that people read on the cards."""
        return json.dumps(self.cards, ensure_ascii=False)


def _refused(status: int, code: str, message: str) -> Reply:
    return Reply({"error": {"code": code, "message": message}}, status)


if __name__ == "__main__":
    sys.exit(main(lambda _: Teams(), argparse.ArgumentParser(prog="python -m sandbox.teams", description=__doc__)))
