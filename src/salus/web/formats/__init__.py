"""How numbers are written, where Salus departs from Django."""
