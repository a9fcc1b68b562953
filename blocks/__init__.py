"""What an operator configures in the Prefect UI: platforms, desks and the mail account."""
