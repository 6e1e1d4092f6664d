"""The synthetic city with known truth: one file a room."""
