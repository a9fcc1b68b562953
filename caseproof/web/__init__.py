"""The web app: the worklist, the case's questions and the desk for the team, by login; a page for a retailer. It asks Prefect nothing."""

from caseproof.web.app import create_app
from caseproof.web.serving import serve

__all__ = ["create_app", "serve"]
