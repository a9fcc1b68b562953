"""Recordings of sessions (E12): made by the meeting or telephone system; a case links them, for training.

They belong to a case, whatever procedure that is of: a procedure takes in the kinds of events that ``kinds`` makes. No
event holds an address, so that hiding one hides it everywhere: the index alone has it, for as long as it is kept.
"""
