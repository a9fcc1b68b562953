"""The verbs of the procedure as Prefect tasks: one side effect each, with its retry policy in sight."""
