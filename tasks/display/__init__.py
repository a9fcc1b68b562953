"""What people see in the Prefect UI: artifacts, names, tags and logs."""
