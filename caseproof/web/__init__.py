"""The web app: what Prefect cannot show. It reads the store; a retailer answers there, and the team logs in."""

from caseproof.web.app import create_app
from caseproof.web.serving import serve

__all__ = ["create_app", "serve"]
