-- job: months
-- Settled cases by institution, insured group and month of discharge.
-- input: settled (institution varchar, insured varchar, tier varchar, month date, method varchar, charge bigint, own bigint, fund bigint, points bigint, fixed bigint, amount bigint, fund_pay bigint)
-- step: months
select
  institution, insured, max(tier) as tier, month,
  count(*) as cases,
  count(*) filter (where method in ('low', 'high', 'high_beyond')) as outliers,
  cast(sum(charge) as bigint) as charge,
  cast(sum(own) as bigint) as own,
  cast(sum(fund) as bigint) as fund,
  cast(sum(points) as bigint) as points,
  cast(sum(fixed) as bigint) as fixed,
  cast(sum(amount) as bigint) as amount,
  cast(sum(fund_pay) as bigint) as fund_pay
from settled group by institution, insured, month order by institution, insured, month
