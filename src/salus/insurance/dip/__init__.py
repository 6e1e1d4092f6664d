"""Grouping by diagnosis and main procedure (DIP), from history.

Source: NHSA, technical specification and catalogue of the diagnosis-intervention packet (2020). A *group* is
a principal diagnosis at four characters with its procedures, where the history has enough cases (*core*); of
the rest, a diagnosis with its main procedure (*main*), then a category with a kind of treatment (*mixed*),
then a chapter letter with a kind (*chapter*). A *score* is a group's mean charge over the mean of all, times
1,000.
"""
