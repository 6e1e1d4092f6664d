"""What can be asked of mothers and children."""
