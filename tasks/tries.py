"""How often Prefect's client tries again where its server does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.context import SettingsContext, get_settings_context


@contextmanager
def tried_again(times: int) -> Iterator[None]:
    """In here Prefect's client tries so often again where the server does not answer.

    Prefect's ``temporary_settings`` says it, too, and reads all settings anew for it: a tenth of a second.
    """
    now = get_settings_context()
    client = now.settings.client.model_copy(update={"max_retries": times})
    with SettingsContext(profile=now.profile, settings=now.settings.model_copy(update={"client": client})):
        yield
