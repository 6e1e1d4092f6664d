"""Prevention: notifiable disease, outbreaks, emergencies, the public health programme, mother and child.

For epidemiologists, village doctors, hospital infection officers, planners and parents. The engines
(`detection`, `transmission`, `surveillance`, `schedule`, `growth`) are pure and work on a user's own files;
the rest keeps a city's cases, signals, emergencies and registers.

Words: *case*, one person's notifiable disease with its classification (suspected, probable, confirmed,
discarded) and the *evidence* for it; *contact*, who was exposed to a case and is followed up; *outbreak*,
cases that belong together; *signal*, a count that a detector finds too high; *verdict*, what an
epidemiologist made of a signal; *emergency*, an event graded I to IV with its response; *programme*, the
public health services that a resident is owed; *schedule*, when each is due; *register*, who is owed which;
*recall list*, whom a doctor calls next; *defaulter*, who is past due.
"""
