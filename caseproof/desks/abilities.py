"""What a ticket desk may be able to do. Each client declares every one of these (docs/desks.md, docs/systems.md).

What it lacks, it says why and what a person does instead; being asked for it all the same, it raises DeskCannot
(``desks/base.py``).
"""

from __future__ import annotations

from enum import StrEnum

from caseproof.domain.abilities import Abilities, Lack, all_but, none_but

__all__ = ["Abilities", "DeskAbilities", "DeskAbility", "Lack", "all_but", "none_but"]


class DeskAbility(StrEnum):
    """One thing that Caseproof asks of a desk, in the words of the table of systems."""

    CREATE = "makes a ticket"
    """``create``"""
    FIND = "finds a ticket by the case's key, so that none is made twice"
    """``find``"""
    READ = "reads a ticket back"
    """``ticket``"""
    COMMENT = "takes comments for the team alone"
    """``comment``"""
    COMMENT_PUBLIC = "takes comments that its customer reads"
    """``comment(..., public=True)``"""
    ATTACH = "takes files, and lists them with name and size"
    """``attach``, ``attachments``"""
    DIGEST = "tells what is in a file, byte for byte"
    """``Attachment.sha256``"""
    CLOSE = "closes a ticket"
    """``set_status(..., CLOSED)``"""
    REOPEN = "opens a ticket again"
    """``set_status(..., OPEN)``"""
    RAISED = "tells of tickets that people raised there"
    """``raised``: a person's ticket becomes a case (J1)."""
    SAID = "tells what people wrote on a ticket"
    """``comments``: a comment there reaches the case."""
    PAGE = "shows a ticket on a page of its own"
    """``Ticket.url``"""
    CLOCK = "tells its own time"
    """``DeskProbe.clock``"""


DeskAbilities = Abilities[DeskAbility]
