-- job: pools
-- Of each insured group the points, and the charges and the fund's part of the cases with and without points.
-- input: pointed (insured varchar, charge bigint, fund bigint, points bigint)
-- step: pools
select
  insured, count(*) as cases,
  cast(sum(charge) as bigint) as charges,
  cast(sum(fund) as bigint) as fund,
  cast(sum(points) as bigint) as points,
  cast(coalesce(sum(charge) filter (where points = 0), 0) as bigint) as fixed
from pointed group by insured order by insured
