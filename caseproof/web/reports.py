"""Kept reports over HTTP: whole pages of our own, with their charts inside, under headers that let nothing run."""

from __future__ import annotations

from pathlib import Path

from fastapi import Response
from fastapi.responses import FileResponse

from caseproof.procedure.views.kept_reports import kept_page
from caseproof.web.files import NotHere

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}


def report_response(home: Path, name: str) -> Response:
    """The page of a kept report. Raises NotHere."""
    path = kept_page(home, name)
    if path is None:
        raise NotHere(
            f"There is no report {name[:80]!r}.", "`caseproof report` makes one; so does the deployment case-report."
        )
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=_HEADERS)
