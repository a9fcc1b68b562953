"""The emergency as plain code: raising it, reaching people until one has it, and what they answer. No Prefect in it."""
