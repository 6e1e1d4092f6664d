-- job: settle
-- What each case is paid at the point value (fen for 1,000 points); a case without points is paid by item.
-- input: pointed (id varchar, institution varchar, tier varchar, insured varchar, department varchar, month date, los bigint, charge bigint, own bigint, fund bigint, dip varchar, level varchar, score bigint, mean bigint, method varchar, base bigint, factor bigint, severity varchar, points bigint)
-- input: point_values (insured varchar, value bigint)
-- param: by_ratio bigint
-- step: valued
select
  p.*, v.value, case when p.points = 0 then p.charge else 0 end as fixed,
  (p.points * v.value + 5000) // 10000 as worth
from pointed p join point_values v on p.insured = v.insured
-- step: settled
select
  id, institution, tier, insured, department, month, dip, level, los, charge, own, fund, score, mean, base,
  factor, severity, value, method, points, fixed, worth + fixed as amount,
  case
    when $by_ratio = 1 then cast((2 * cast(worth + fixed as hugeint) * fund + charge) // (2 * charge) as bigint)
    else greatest(worth + fixed - own, 0) end as fund_pay
from valued
