"""J6 to J11: the decision, the run, its verification, the picture, the proof and the ticket."""
