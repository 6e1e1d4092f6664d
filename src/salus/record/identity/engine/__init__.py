"""Record linkage on tables: normalise, block, compare, weigh, cluster. Pure: no Django, no server."""
