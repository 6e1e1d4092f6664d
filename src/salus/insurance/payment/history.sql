-- job: history
-- Of each group and year the cases within the group's bounds, their charges, the squares of these, and how
-- many lie below and above.
-- input: cases (drg varchar, adrg varchar, discharged date, charge bigint)
-- input: bounds (drg varchar, low bigint, high bigint)
-- step: placed
select
  c.drg, coalesce(c.adrg, '') as adrg, year(c.discharged) as year, c.charge,
  c.charge < b.low as below, c.charge > b.high as above
from cases c join bounds b on c.drg = b.drg
-- step: groups
select
  drg, max(adrg) as adrg, cast(year as bigint) as year,
  count(*) filter (where not below and not above) as cases,
  cast(coalesce(sum(charge) filter (where not below and not above), 0) as hugeint) as charges,
  cast(coalesce(sum(cast(charge as hugeint) * charge) filter (where not below and not above), 0) as hugeint) as squares,
  count(*) filter (where below) as below,
  count(*) filter (where above) as above
from placed group by drg, year order by drg, year
