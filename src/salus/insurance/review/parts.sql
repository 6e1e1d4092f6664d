-- job: parts
-- Analytes of a panel billed one by one, beside the panel or in its place.
-- input: facts (claim_id varchar, person_id varchar, institution varchar, department varchar, tier bigint, district varchar, kind varchar, setting varchar, principal varchar, diagnoses bigint, admitted date, discharged date, quarter date, days bigint, charge bigint, lines bigint, services bigint, medicine bigint, operated bigint, sex varchar, age bigint)
-- input: claim_lines (claim_id varchar, service_date date, item varchar, charge bigint)
-- input: items (item varchar, bundle varchar, price bigint)
-- param: prior bigint
-- step: sizes
select bundle, count(*) as n from items where bundle is not null group by bundle
-- step: parts
select l.claim_id, l.service_date, i.bundle, count(distinct l.item) as n, sum(l.charge) as charge
from claim_lines l
join items i on i.item = l.item
where i.bundle is not null
group by l.claim_id, l.service_date, i.bundle
-- step: panels
select distinct l.claim_id, l.service_date, l.item as bundle
from claim_lines l
join sizes z on z.bundle = l.item
-- step: joined
select p.claim_id, p.bundle, p.n, p.n / z.n as part, p.charge / greatest(i.price, 1) as ratio,
  case when w.claim_id is not null then 1 else 0 end as beside
from parts p
join sizes z on z.bundle = p.bundle
join items i on i.item = p.bundle
left join panels w on w.claim_id = p.claim_id and w.service_date = p.service_date and w.bundle = p.bundle
-- step: placed
select *, row_number() over (partition by claim_id order by n desc, ratio desc, bundle) as place from joined
-- step: best
select claim_id, bundle, n, part, ratio, beside from placed where place = 1
-- step: judged
select f.claim_id, f.institution, f.department, f.setting, b.n,
  case when coalesce(b.n, 0) >= 2 or coalesce(b.beside, 0) = 1 then 1 else 0 end as odd
from facts f
left join best b on b.claim_id = f.claim_id
-- step: rates
select setting, (sum(odd) + 1) / (count(*) + 20) as rate from judged group by setting
-- step: units
select j.institution, j.department, (sum(j.odd) + $prior) / (sum(r.rate) + $prior) as ratio
from judged j
join rates r on r.setting = j.setting
group by j.institution, j.department
-- step: parts_billed
select b.claim_id, cast(null as varchar) as other, b.bundle as what, cast(b.n as double) as x1,
  cast(b.beside as double) as x2, least(ln(b.ratio + 0.05), 4) as x3, ln(u.ratio) as x4, b.part as x5,
  cast(0 as double) as x6
from best b
join facts f on f.claim_id = b.claim_id
join units u on u.institution = f.institution and u.department = f.department
