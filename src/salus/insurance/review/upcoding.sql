-- job: upcoding
-- Stays whose complication left no trace in what was billed, in units that have more of these than their mix.
-- A complication adds what it calls for to what the principal diagnosis calls for (noisy-or); the links are
-- learnt from all stays. Shares are smoothed towards all stays', ratios of units towards one.
-- Sources: Pearl 1988, 4.3 (noisy-or); Clayton and Kaldor 1987 (empirical Bayes ratios of counts).
-- input: facts (claim_id varchar, person_id varchar, institution varchar, department varchar, tier bigint, district varchar, kind varchar, setting varchar, principal varchar, diagnoses bigint, admitted date, discharged date, quarter date, days bigint, charge bigint, lines bigint, services bigint, medicine bigint, operated bigint, sex varchar, age bigint)
-- input: marks (claim_id varchar, what varchar, sort varchar)
-- input: claims (claim_id varchar, diagnoses varchar[])
-- input: severity (code varchar, level bigint)
-- param: prior bigint
-- param: untraced double
-- step: stays
select * from facts where setting = 'stay'
-- step: listed
select c.claim_id, unnest(c.diagnoses) as code from claims c
-- step: coded
select distinct s.claim_id, s.principal, l.code, v.level
from stays s
join listed l on l.claim_id = s.claim_id
join severity v on v.code = l.code
where l.code <> s.principal
-- step: marked
select s.claim_id, s.principal, m.what from stays s join marks m on m.claim_id = s.claim_id
-- step: sizes
select principal, count(*) as n from stays group by principal
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
-- step: mixes
select code, principal, count(*) as n from coded group by code, principal
-- step: totals
select code, sum(n) as n from mixes group by code having sum(n) >= 20
-- step: expected
select m.code, u.what, sum(m.n * u.share) as e
from mixes m
join usual u on u.principal = m.principal
group by m.code, u.what
-- step: observed
select c.code, m.what, count(*) as o
from coded c
join marks m on m.claim_id = c.claim_id
group by c.code, m.what
-- step: added
select o.code, o.what, (o.o / t.n - e.e / t.n) / (1.0001 - least(e.e / t.n, 1)) as q
from observed o
join totals t on t.code = o.code
join expected e on e.code = o.code and e.what = o.what
where o.o >= 8
-- step: ranked
select code, what, least(q, 0.95) as q, row_number() over (partition by code order by q desc, what) as place
from added
where q >= 0.12
-- step: links
select code, what, q from ranked where place <= 8
-- step: tested
select c.claim_id, c.code, c.level, l.what, m.what is not null as there, l.q,
  least(greatest(coalesce(u.share, 20 * g.share / (z.n + 20)), 0.0005), 0.97) as p0
from coded c
join links l on l.code = c.code
join common g on g.what = l.what
join sizes z on z.principal = c.principal
left join usual u on u.principal = c.principal and u.what = l.what
left join marks m on m.claim_id = c.claim_id and m.what = l.what
-- step: weighed
select claim_id, code, level, count(*) as links,
  sum(case when there then ln((1 - (1 - p0) * (1 - q)) / p0) else ln(1 - q) end) as llr
from tested
group by claim_id, code, level
-- step: lacking
select c.claim_id, c.code, c.level, coalesce(w.links, 0) as links,
  coalesce(-ln((1 - $untraced) * exp(least(greatest(w.llr, -20), 20)) + $untraced), 0) as lack
from coded c
left join weighed w on w.claim_id = c.claim_id and w.code = c.code
-- step: tops
select claim_id, max(level) as level from lacking group by claim_id
-- step: placed
select l.claim_id, l.code, l.level, l.links, l.lack,
  row_number() over (partition by l.claim_id order by l.lack, l.links desc, l.code) as place
from lacking l
join tops t on t.claim_id = l.claim_id and t.level = l.level
-- step: chosen
select s.*, p.code, p.level, coalesce(p.links, 0) as links, coalesce(p.lack, 0) as lack,
  case when p.lack > 0.5 then 1 else 0 end as bare
from stays s
left join placed p on p.claim_id = s.claim_id and p.place = 1
-- step: rates
select principal, (sum(bare) + 1) / (count(*) + 20) as rate from chosen group by principal
-- step: quarters
select c.institution, c.department, c.quarter, sum(c.bare) as o, sum(r.rate) as e
from chosen c
join rates r on r.principal = c.principal
group by c.institution, c.department, c.quarter
-- step: units
select institution, department, sum(o) as o, sum(e) as e, (sum(o) + $prior) / (sum(e) + $prior) as ratio
from quarters
group by institution, department
-- step: shares
select code, count(*) as n from chosen where code is not null group by code
-- step: mixed
select code, principal, count(*) as n from chosen where code is not null group by code, principal
-- step: charges
select principal, avg(ln(charge)) as level from chosen where code is not null group by principal
-- step: upcoding
select c.claim_id, cast(null as varchar) as other, c.code as what,
  c.lack as x1, ln(u.ratio) as x2, ln((q.o + $prior) / (q.e * u.ratio + $prior)) as x3,
  ln((h.n / w.n + 0.0005) / ((m.n + 20 * h.n / w.n) / (z.n + 20))) as x4,
  ln(c.charge) - g.level as x5, cast(least(c.links, 4) as double) as x6
from chosen c
join units u on u.institution = c.institution and u.department = c.department
join quarters q on q.institution = c.institution and q.department = c.department and q.quarter = c.quarter
join shares h on h.code = c.code
join mixed m on m.code = c.code and m.principal = c.principal
join sizes z on z.principal = c.principal
join charges g on g.principal = c.principal
cross join whole w
where c.code is not null
