"""What an operator configures in the Prefect UI: platforms, desks, mail, Teams and the telephone."""
