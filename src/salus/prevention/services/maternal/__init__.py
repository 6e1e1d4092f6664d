"""What can be done for mothers and children."""
