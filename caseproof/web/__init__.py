"""The web app: the worklist, the cases' questions and the desk for the team; a retailer's page. It asks no Prefect."""

from caseproof.web.app import create_app
from caseproof.web.serving import serve

__all__ = ["create_app", "serve"]
