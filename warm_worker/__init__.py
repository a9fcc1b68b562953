"""A worker for Prefect whose flow runs start at once; it knows nothing of Caseproof (docs/warm-worker.md)."""
