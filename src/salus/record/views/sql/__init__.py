"""One module a dialect: the SQL of a plan."""
