"""What can be asked of the health programme: its rules, who is registered, recall lists, indicators."""
