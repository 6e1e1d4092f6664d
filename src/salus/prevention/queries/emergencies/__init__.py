"""What can be asked of emergencies."""
