"""The steps of the procedure as plain code: each is an "ensure", each writes down what it did.

No Prefect here: the flows call these through tasks, the command calls them directly (house rule 4).
"""
