"""How people are asked: the forms as Prefect shows them, and the one helper that asks."""
