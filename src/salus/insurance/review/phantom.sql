-- job: phantom
-- Services that one unit bills far more often than others do for the same illnesses in the same setting.
-- input: facts (claim_id varchar, person_id varchar, institution varchar, department varchar, tier bigint, district varchar, kind varchar, setting varchar, principal varchar, diagnoses bigint, admitted date, discharged date, quarter date, days bigint, charge bigint, lines bigint, services bigint, medicine bigint, operated bigint, sex varchar, age bigint)
-- input: marks (claim_id varchar, what varchar, sort varchar)
-- input: claim_lines (claim_id varchar, item varchar, charge bigint)
-- param: prior bigint
-- step: sizes
select setting, principal, count(*) as n from facts group by setting, principal
-- step: marked
select f.claim_id, f.institution, f.department, f.setting, f.principal, m.what
from facts f
join marks m on m.claim_id = f.claim_id
where m.sort = 'service'
-- step: usual
select m.setting, m.principal, m.what, count(*) / max(z.n) as share
from marked m
join sizes z on z.setting = m.setting and z.principal = m.principal
group by m.setting, m.principal, m.what
-- step: mixes
select institution, department, setting, principal, count(*) as n
from facts
group by institution, department, setting, principal
-- step: observed
select institution, department, what, count(*) as o
from marked
group by institution, department, what
having count(*) >= 4
-- step: expected
select o.institution, o.department, o.what, max(o.o) as o, sum(x.n * coalesce(u.share, 0)) as e
from observed o
join mixes x on x.institution = o.institution and x.department = o.department
left join usual u on u.setting = x.setting and u.principal = x.principal and u.what = o.what
group by o.institution, o.department, o.what
-- step: excess
select institution, department, what, o, (o + $prior) / (e + $prior) as ratio, (o - e) / sqrt(e + 1) as z
from expected
where (o + $prior) / (e + $prior) >= 1.5 and (o - e) / sqrt(e + 1) >= 2.5
-- step: found
select m.claim_id, m.what, x.o, x.ratio, x.z
from marked m
join excess x on x.institution = m.institution and x.department = m.department and x.what = m.what
-- step: paid
select claim_id, item, sum(charge) as charge from claim_lines group by claim_id, item
-- step: summed
select f.claim_id, count(*) as n, max(f.ratio) as ratio, sum(1 - 1 / f.ratio) as extra, max(f.z) as z,
  coalesce(sum(p.charge), 0) as charge
from found f
left join paid p on p.claim_id = f.claim_id and p.item = f.what
group by f.claim_id
-- step: named
select claim_id, what, row_number() over (partition by claim_id order by ratio desc, what) as place from found
-- step: phantom
select s.claim_id, cast(null as varchar) as other, n.what, ln(s.ratio) as x1, s.extra as x2,
  s.charge / f.charge as x3, ln(1 + s.z) as x4,
  cast(case when f.setting = 'stay' then 1 else 0 end as double) as x5, cast(s.n / f.services as double) as x6
from summed s
join facts f on f.claim_id = s.claim_id
join named n on n.claim_id = s.claim_id and n.place = 1
