-- job: totals
-- What a base rate is made of: of each pool the cases that are paid by weight, their weight times the
-- institution's factor, their charges and the fund's part of them, and the same of the cases paid by item.
-- input: cases (id varchar, institution varchar, tier varchar, insured varchar, los bigint, charge bigint, fund bigint, drg varchar)
-- input: weights (drg varchar, weight bigint)
-- input: factors (institution varchar, factor bigint)
-- param: by_tier bigint
-- param: shortest bigint
-- param: longest bigint
-- step: weighed
select
  c.insured, case when $by_tier = 1 then coalesce(c.tier, '') else '' end as tier, c.charge, c.fund,
  case when c.los between $shortest and $longest then w.weight end as weight,
  coalesce(f.factor, 10000) as factor
from cases c
left join weights w on c.drg = w.drg
left join factors f on c.institution = f.institution
-- step: pools
select
  insured, tier,
  count(*) as cases,
  sum(charge) as charges,
  sum(fund) as fund,
  count(*) filter (where weight is not null) as weighed,
  coalesce(sum(charge) filter (where weight is not null), 0) as weighed_charges,
  coalesce(sum(fund) filter (where weight is not null), 0) as weighed_fund,
  coalesce(sum((weight * factor + 5000) // 10000) filter (where weight is not null), 0) as weights
from weighed group by insured, tier order by insured, tier
