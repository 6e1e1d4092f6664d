-- job: spread
-- Of each group the cases, the quartiles of the charge, and the sums of its logarithm and of the square, in
-- whole millionths, so that whatever the order of adding the same comes out.
-- input: cases (drg varchar, charge bigint)
-- step: logs
select drg, charge, cast(round(ln(charge) * 1000000) as bigint) as log from cases
-- step: groups
select
  drg,
  count(*) as cases,
  quantile_disc(charge, 0.25) as q1,
  quantile_disc(charge, 0.75) as q3,
  sum(log) as logs,
  sum(cast(log as hugeint) * log) as squares
from logs group by drg order by drg
