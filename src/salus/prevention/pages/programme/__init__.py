"""Pages of the health programme: my residents today, registers, a resident's programmes, indicators."""
