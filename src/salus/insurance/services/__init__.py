"""What can be done in the insurance: one file a command."""
