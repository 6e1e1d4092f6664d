"""What can be done in emergencies: proposed by rules, decided by persons, worked off, reported, ended."""
