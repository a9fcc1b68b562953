"""The emergency of a case (E7 to E12): who raised it and why, and what came of every try to reach somebody.

It belongs to a case, whatever procedure that is of: a procedure takes in the kinds of events that ``kinds`` makes.
"""
