"""A small form as a room would register it: daily visits to contacts. For tests and benchmarks only."""
