"""The insurance of the synthetic city: who is enrolled, what is claimed, what it costs, and planted fraud.

Takes the city's people, visits and institutions as they are and adds what an insurance fund holds: a
catalogue of 1,594 services, medicines and consumables, coverage, premiums and statuses, claims with their
lines, discharges for grouping, and, apart from these, the truth about what was planted.

Words: a *stay* is an inpatient claim; a *unit* is one department of one institution, where a habit of
coding or claiming lives; *strength* 1 to 5 says how visible a planted act is; the *true* diagnoses of a
claim are those its lines were drawn from, the *claimed* ones those that are sent.
"""
