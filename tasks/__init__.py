"""The verbs of the procedure as Prefect tasks: one side effect each, with its retry policy in sight.

``forms`` asks people, ``runs`` gives and revives flow runs, ``display`` shows things in the Prefect UI.
"""
