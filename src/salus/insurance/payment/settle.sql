-- job: settle
-- What each case is paid: by weight at the base rate, or by item where the rules say so. `amount` is for the
-- whole stay, `fund_pay` what the fund pays of it; `points` (ten-thousandths of weight) and `fixed` (fen)
-- are what the year-end clearing needs. Ratios, weights and factors are ten-thousandths, money is fen.
-- input: cases (id varchar, institution varchar, tier varchar, insured varchar, department varchar, discharged date, los bigint, charge bigint, fund bigint, drg varchar)
-- input: weights (drg varchar, weight bigint)
-- input: rates (insured varchar, tier varchar, rate bigint)
-- input: factors (institution varchar, factor bigint)
-- input: outliers (tier varchar, low bigint, high bigint, high_share bigint, high_most bigint)
-- input: ungrouped (ending varchar)
-- param: by_tier bigint
-- param: shortest bigint
-- param: longest bigint
-- param: ungrouped_share bigint
-- param: by_ratio bigint
-- step: groupless
select distinct c.drg from cases c join ungrouped u on ends_with(c.drg, u.ending)
-- step: weighed
select
  c.id, c.institution, coalesce(c.tier, '') as tier, c.insured, coalesce(c.department, '') as department,
  c.discharged, c.los, c.drg, c.charge, c.fund, c.charge - c.fund as own, w.weight,
  coalesce(f.factor, 10000) as factor, r.rate,
  (w.weight * coalesce(f.factor, 10000) + 5000) // 10000 as points,
  coalesce(o.low, e.low) as low, coalesce(o.high, e.high) as high,
  coalesce(o.high_share, e.high_share) as high_share, coalesce(o.high_most, e.high_most) as high_most,
  case
    when g.drg is not null then 'no_group'
    when w.weight is null then 'no_weight'
    when c.los < $shortest then 'short_stay'
    when c.los > $longest then 'long_stay'
    when r.rate is null then 'no_rate'
    else '' end as barred
from cases c
left join weights w on c.drg = w.drg
left join factors f on c.institution = f.institution
left join rates r on c.insured = r.insured and case when $by_tier = 1 then coalesce(c.tier, '') else '' end = r.tier
left join groupless g on c.drg = g.drg
left join outliers o on coalesce(c.tier, '') = o.tier and o.tier <> ''
cross join (select low, high, high_share, high_most from outliers where tier = '') e
-- step: standards
select *, case when barred = '' then (points * rate + 5000) // 10000 end as standard from weighed
-- step: compared
select
  *,
  case
    when barred <> '' then barred
    when charge * 10000 < low * standard then 'low'
    when charge * 10000 > high * standard then 'high'
    else 'by_weight' end as found,
  charge - (high * standard + 5000) // 10000 as excess
from standards
-- step: ranked
select
  *,
  count(*) filter (where barred = '') over (partition by institution) as comparable,
  row_number() over (partition by institution, found order by excess desc, id) as place
from compared
-- step: decided
select
  *,
  case when found = 'high' and place * 10000 > comparable * high_most then 'high_beyond' else found end as method
from ranked
-- step: paid
select
  id, institution, tier, insured, department, cast(date_trunc('month', discharged) as date) as month, drg, los,
  charge, own, fund, weight, factor, rate, standard, method,
  case when method in ('by_weight', 'high', 'high_beyond') then points else 0 end as points,
  case
    when method in ('by_weight', 'high_beyond') then 0
    when method = 'high' then (excess * high_share + 5000) // 10000
    when method = 'no_group' then (charge * $ungrouped_share + 5000) // 10000
    else charge end as fixed
from decided
-- step: amounts
select
  *,
  fixed + case when points > 0 then standard else 0 end as amount
from paid
-- step: settled
select
  id, institution, tier, insured, department, month, drg, los, charge, own, fund, weight, factor, rate,
  standard, method, points, fixed, amount,
  case
    when $by_ratio = 1 then cast((2 * cast(amount as hugeint) * fund + charge) // (2 * charge) as bigint)
    else greatest(amount - own, 0) end as fund_pay
from amounts
