"""Pages of emergencies: the board, one emergency, its tasks and reports, the rules."""
