-- job: switched
-- Stays whose lines are rather those of another, cheaper principal diagnosis of the same department.
-- Likelihoods of what was billed given each diagnosis (naive Bayes over the items that tell the two best apart).
-- input: facts (claim_id varchar, person_id varchar, institution varchar, department varchar, tier bigint, district varchar, kind varchar, setting varchar, principal varchar, diagnoses bigint, admitted date, discharged date, quarter date, days bigint, charge bigint, lines bigint, services bigint, medicine bigint, operated bigint, sex varchar, age bigint)
-- input: marks (claim_id varchar, what varchar, sort varchar)
-- param: prior bigint
-- step: stays
select * from facts where setting = 'stay' and operated = 0
-- step: sizes
select principal, count(*) as n, avg(ln(charge)) as level, greatest(coalesce(stddev(ln(charge)), 0.5), 0.2) as spread
from stays
group by principal
having count(*) >= 12
-- step: marked
select s.claim_id, s.principal, m.what from stays s join marks m on m.claim_id = s.claim_id
-- step: whole
select count(*) as n from stays
-- step: common
select m.what, count(*) / max(w.n) as share from marked m cross join whole w group by m.what
-- step: usual
select m.principal, m.what, (count(*) + 20 * max(c.share)) / (max(z.n) + 20) as share
from marked m
join sizes z on z.principal = m.principal
join common c on c.what = m.what
group by m.principal, m.what
-- step: departments
select principal, department, count(*) as n from stays group by principal, department
-- step: homes
select principal, department, row_number() over (partition by principal order by n desc, department) as place
from departments
-- step: pairs
select c.principal, a.principal as other, a.level, a.spread, c.level as own_level, c.spread as own_spread
from sizes c
join homes h on h.principal = c.principal and h.place = 1
join homes k on k.department = h.department and k.place = 1 and k.principal <> h.principal
join sizes a on a.principal = k.principal
where a.level < c.level - 0.05
-- step: named
select p.principal, p.other, u.what from pairs p join usual u on u.principal = p.principal
union
select p.principal, p.other, u.what from pairs p join usual u on u.principal = p.other
-- step: compared
select n.principal, n.other, n.what,
  least(greatest(coalesce(c.share, 20 * g.share / (z.n + 20)), 0.002), 0.99) as own,
  least(greatest(coalesce(a.share, 20 * g.share / (y.n + 20)), 0.002), 0.99) as theirs
from named n
join common g on g.what = n.what
join sizes z on z.principal = n.principal
join sizes y on y.principal = n.other
left join usual c on c.principal = n.principal and c.what = n.what
left join usual a on a.principal = n.other and a.what = n.what
-- step: telling
select principal, other, what, own, theirs,
  row_number() over (partition by principal, other order by (own - theirs) * ln(own / theirs) desc, what) as place
from compared
-- step: kept
select * from telling where place <= 16
-- step: weighed
select s.claim_id, k.other,
  sum(case when m.what is not null then ln(k.theirs / k.own) else ln((1 - k.theirs) / (1 - k.own)) end) as llr
from stays s
join kept k on k.principal = s.principal
left join marks m on m.claim_id = s.claim_id and m.what = k.what
group by s.claim_id, k.other
-- step: priced
select w.claim_id, w.other, w.llr,
  (ln(s.charge) - p.own_level) * (ln(s.charge) - p.own_level) / (2 * p.own_spread * p.own_spread)
    - (ln(s.charge) - p.level) * (ln(s.charge) - p.level) / (2 * p.spread * p.spread) as cost,
  (ln(s.charge) - p.own_level) / p.own_spread as residual
from weighed w
join stays s on s.claim_id = w.claim_id
join pairs p on p.principal = s.principal and p.other = w.other
-- step: best
select *, row_number() over (partition by claim_id order by llr desc, other) as place from priced
-- step: chosen
select s.claim_id, s.institution, s.department, s.quarter, s.principal, b.other, b.llr, b.cost, b.residual,
  case when b.llr > 1 then 1 else 0 end as odd
from best b
join stays s on s.claim_id = b.claim_id
where b.place = 1
-- step: rates
select principal, (sum(odd) + 1) / (count(*) + 20) as rate from chosen group by principal
-- step: quarters
select c.institution, c.department, c.quarter, sum(c.odd) as o, sum(r.rate) as e
from chosen c
join rates r on r.principal = c.principal
group by c.institution, c.department, c.quarter
-- step: units
select institution, department, (sum(o) + $prior) / (sum(e) + $prior) as ratio
from quarters
group by institution, department
-- step: switched
select c.claim_id, cast(null as varchar) as other, c.other as what,
  least(greatest(c.llr, -8), 12) as x1, ln(u.ratio) as x2,
  ln((q.o + $prior) / (q.e * u.ratio + $prior)) as x3, least(greatest(c.cost, -4), 6) as x4,
  least(greatest(c.residual, -4), 4) as x5, cast(0 as double) as x6
from chosen c
join units u on u.institution = c.institution and u.department = c.department
join quarters q on q.institution = c.institution and q.department = c.department and q.quarter = c.quarter
where c.llr > -4
