"""Caseproof, up and running on this machine: what is started, in which order, watched, and stopped again."""
