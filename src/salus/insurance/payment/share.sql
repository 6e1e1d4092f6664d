-- job: share
-- A pool's money shared over its cases by points, after what is paid by item, to the last fen: each case gets
-- the step that the running total of points makes in the money. `fund_pay` = amount less what others paid, so
-- its sum is the pool's budget; a case of which patients paid more than its points are worth counts negative.
-- input: sharing (id varchar, pool varchar, own bigint, points bigint, fixed bigint)
-- input: pools (pool varchar, budget bigint)
-- step: sums
select
  pool, cast(sum(own) as bigint) as own, cast(sum(points) as bigint) as points, cast(sum(fixed) as bigint) as fixed
from sharing group by pool
-- step: money
select s.pool, s.points, p.budget + s.own - s.fixed as money from sums s join pools p on s.pool = p.pool
-- step: running
select
  id, pool, own, points, fixed,
  cast(sum(points) over (partition by pool order by id rows between unbounded preceding and current row) as bigint) as reached
from sharing
-- step: shared
select
  r.id, r.pool, r.points,
  cast(
    cast(r.reached as hugeint) * m.money // m.points - cast(r.reached - r.points as hugeint) * m.money // m.points as bigint
  ) + r.fixed as amount,
  r.own
from running r join money m on r.pool = m.pool
-- step: paid
select id, pool, points, amount, amount - own as fund_pay from shared
