"""What is due, and who is told: no case is forgotten, and incidents are looked after."""
