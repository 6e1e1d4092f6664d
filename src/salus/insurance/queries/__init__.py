"""What can be asked of the insurance: one file a subject."""
