"""The lake: Parquet tables made of the record store by views, for whoever counts, plans and studies.

For planners, epidemiologists and integrators. Tables follow the change feed, keep history, answer as of
any date, and are published all at once, so that a reader sees one state of the whole record.

Words: *table*, the rows of one view; *segment*, a file of row versions that a refresh wrote; *closing*,
the note that a version was superseded or deleted; *base*, files into which compaction folded segments
and closings; *manifest*, the list of all files of one publication; *as of*, as the record stood then.
"""
