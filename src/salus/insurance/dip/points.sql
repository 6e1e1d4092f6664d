-- job: points
-- The points of each case: the group's score, changed where the charge is far from the mean of its tier, times
-- the factors of tier, age and severity. Points are RW x 1,000 in tenths, so ten-thousandths of RW.
-- input: cases (id varchar, institution varchar, tier varchar, insured varchar, department varchar, discharged date, los bigint, charge bigint, fund bigint, died boolean, age bigint, dx varchar[])
-- input: assigned (id varchar, dip varchar, level varchar)
-- input: scores (dip varchar, score bigint, mean bigint)
-- input: means (dip varchar, tier varchar, mean bigint)
-- input: tiers (tier varchar, factor bigint)
-- input: ages (from_age bigint, to_age bigint, factor bigint)
-- input: severities (rank bigint, level varchar, died varchar, min_secondary bigint, min_los bigint, max_los bigint, factor bigint)
-- param: low bigint
-- param: high bigint
-- step: scored
select
  c.id, c.institution, coalesce(c.tier, '') as tier, c.insured, coalesce(c.department, '') as department,
  c.discharged, c.los, c.charge, c.fund, c.charge - c.fund as own, c.died, c.age,
  len(c.dx) - 1 as secondary, a.dip, a.level, s.score, coalesce(m.mean, s.mean) as mean,
  coalesce(t.factor, 10000) as tier_factor
from cases c
left join assigned a on c.id = a.id
left join scores s on a.dip = s.dip
left join means m on a.dip = m.dip and coalesce(c.tier, '') = m.tier
left join tiers t on coalesce(c.tier, '') = t.tier
-- step: aged
select s.id, min(g.factor) as factor from scored s join ages g on s.age between g.from_age and g.to_age group by s.id
-- step: graded
select s.id, v.level, v.factor, row_number() over (partition by s.id order by v.rank) as place
from scored s join severities v on s.secondary >= v.min_secondary and s.los >= v.min_los and s.los <= v.max_los
  and case v.died when 'yes' then s.died when 'no' then not s.died else true end
-- step: worst
select id, level, factor from graded where place = 1
-- step: factored
select
  s.*, coalesce(a.factor, 10000) as age_factor, coalesce(w.level, '') as severity,
  coalesce(w.factor, 10000) as severity_factor,
  case
    when s.score is null then 'no_group'
    when s.charge * 10000 < $low * s.mean then 'under'
    when s.charge * 10000 > $high * s.mean then 'over'
    else 'by_points' end as method
from scored s left join aged a on s.id = a.id left join worst w on s.id = w.id
-- step: deviated
select
  *,
  case method
    when 'under' then cast((2 * cast(score as hugeint) * charge + mean) // (2 * mean) as bigint)
    when 'over' then cast((2 * cast(score as hugeint) * (charge * 10000 - ($high - 10000) * mean) + mean * 10000) // (2 * mean * 10000) as bigint)
    else score end as base
from factored
-- step: multiplied
select *, (tier_factor * age_factor + 5000) // 10000 as two from deviated
-- step: combined
select *, (two * severity_factor + 5000) // 10000 as factor from multiplied
-- step: pointed
select
  id, institution, tier, insured, department, cast(date_trunc('month', discharged) as date) as month, los,
  charge, own, fund, dip, level, score, mean, method, base, tier_factor, age_factor, severity, severity_factor,
  factor, coalesce((base * factor + 5000) // 10000, 0) as points
from combined
