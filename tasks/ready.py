"""What each run would read and make for itself, made once before they are forked (docs/warm-worker.md)."""

from __future__ import annotations

from datetime import UTC, datetime

from caseproof.channels.outbound.composing import environment
from caseproof.channels.outbound.languages import LANGUAGES, TEMPLATES, Phrases
from caseproof.config.policy import load_policy, policy_file
from caseproof.config.settings import Settings


def make_ready() -> None:
    """Read the policy, the templates of all mail, and what Babel knows of their languages.

    Nothing of it can be out of date in a run: the policy is read again and compared, a template that has changed is
    read again. Opens no connection and starts no thread.
    """
    load_policy(policy_file(Settings()))
    for is_html in (False, True):
        templates = environment(TEMPLATES, html=is_html)
        for name in templates.list_templates(extensions=["j2"]):
            templates.get_template(name)
    for language in LANGUAGES:
        say = Phrases(language)
        say.moment(datetime(2026, 1, 1, tzinfo=UTC))
        say.count("stopped", 1)
