-- job: report
-- What is compared between institutions and departments: case-mix index, groups, weight, cost and time
-- efficiency, outliers, mortality of low-risk groups, readmission. Ratios are doubles; an index is 1 where
-- the institution is as the city in the same groups.
-- input: cases (id varchar, institution varchar, department varchar, person varchar, discharged date, los bigint, charge bigint, died boolean, drg varchar)
-- input: weights (drg varchar, weight bigint)
-- input: outliers (id varchar, outlier boolean)
-- param: days bigint
-- param: same_institution bigint
-- step: valid
select
  c.id, c.institution, coalesce(c.department, '') as department, c.charge, c.los, coalesce(c.died, false) as died,
  c.drg, w.weight, coalesce(o.outlier, false) as outlier
from cases c
left join weights w on c.drg = w.drg
left join outliers o on c.id = o.id
-- step: groups
select
  drg, sum(charge) / count(*) as mean_charge, sum(los) / count(*) as mean_los,
  count(*) filter (where died) / count(*) as mortality
from valid where weight is not null group by drg
-- step: logs
select drg, ln(mortality) as log from groups where mortality > 0
-- step: spread
select avg(log) as mean, coalesce(stddev(log), 0) as deviation from logs
-- step: risks
select
  g.drg, g.mean_charge, g.mean_los,
  case
    when l.log is null then 0
    when l.log < s.mean - s.deviation then 1
    when l.log < s.mean then 2
    when l.log < s.mean + s.deviation then 3
    else 4 end as risk
from groups g left join logs l on g.drg = l.drg cross join spread s
-- step: stays
select
  id, person, institution, discharged, coalesce(died, false) as died,
  discharged - cast(los as integer) as admitted
from cases where person is not null
-- step: chained
select
  id, died, discharged, institution,
  lead(admitted) over (partition by person order by admitted, discharged, id) as next_admitted,
  lead(institution) over (partition by person order by admitted, discharged, id) as next_institution
from stays
-- step: returned
select
  id, not died as at_risk,
  not died and next_admitted is not null and next_admitted >= discharged
    and date_diff('day', discharged, next_admitted) <= $days
    and ($same_institution = 0 or next_institution = institution) as readmitted
from chained
-- step: facts
select
  v.institution, v.department, v.weight, v.drg, v.died, v.outlier, v.charge, v.los, r.risk,
  case when r.mean_charge > 0 then v.charge / r.mean_charge end as cost,
  case when r.mean_los > 0 then v.los / r.mean_los end as time,
  coalesce(b.at_risk, false) as at_risk, coalesce(b.readmitted, false) as readmitted
from valid v left join risks r on v.drg = r.drg left join returned b on v.id = b.id
-- step: summed
select
  grouping(institution) as g_institution, grouping(department) as g_department, institution, department,
  count(*) as cases,
  count(weight) as weighed,
  count(distinct case when weight is not null then drg end) as groups,
  cast(coalesce(sum(weight), 0) as bigint) as weight,
  cast(sum(charge) as bigint) as charge,
  avg(los) as mean_los,
  avg(weight) as mean_weight,
  avg(cost) as cost_index,
  avg(time) as time_index,
  count(*) filter (where outlier) as outliers,
  count(*) filter (where risk = 1) as low_risk,
  count(*) filter (where risk = 1 and died) as low_risk_deaths,
  count(*) filter (where at_risk) as at_risk,
  count(*) filter (where readmitted) as readmitted
from facts group by grouping sets ((), (institution), (institution, department))
-- step: reported
select
  case when g_institution = 1 then 'city' when g_department = 1 then 'institution' else 'department' end as level,
  coalesce(institution, '') as institution, coalesce(department, '') as department,
  cases, weighed, groups, weight, charge, mean_los, mean_weight / 10000 as case_mix_index, cost_index, time_index,
  outliers, low_risk, low_risk_deaths, at_risk, readmitted
from summed order by level, institution, department
