-- job: facts
-- One row a claim with what the other jobs compare it by: case mix, setting, length, charge, services.
-- The department is that of most lines' first name; a claim without lines is left out.
-- input: claims (claim_id varchar, person_id varchar, institution varchar, kind varchar, admitted date, discharged date, diagnoses varchar[], procedures varchar[], charge bigint)
-- input: claim_lines (claim_id varchar, item varchar, charge bigint, department varchar)
-- input: items (item varchar, what varchar, sort varchar)
-- input: persons (person_id varchar, sex varchar, birth_date date)
-- input: institutions (institution varchar, tier bigint, district varchar)
-- step: billed
select l.claim_id, l.item, coalesce(i.sort, 'service') as sort, min(coalesce(l.department, '')) as department,
  count(*) as lines, sum(l.charge) as charge
from claim_lines l
left join items i on i.item = l.item
group by l.claim_id, l.item, coalesce(i.sort, 'service')
-- step: summed
select claim_id, min(department) as department, cast(sum(lines) as bigint) as lines,
  count(*) filter (where sort = 'service') as services,
  cast(coalesce(sum(charge) filter (where sort = 'medicine'), 0) as bigint) as medicine
from billed
group by claim_id
-- step: facts
select c.claim_id, c.person_id, c.institution, s.department,
  coalesce(i.tier, cast(0 as bigint)) as tier, coalesce(i.district, '') as district, c.kind,
  case when c.kind = 'inpatient' then 'stay' when coalesce(i.tier, 0) >= 2 then 'hospital' else 'primary' end
    as setting,
  c.diagnoses[1] as principal, cast(len(c.diagnoses) as bigint) as diagnoses, c.admitted, c.discharged,
  cast(date_trunc('quarter', c.discharged) as date) as quarter,
  greatest(date_diff('day', c.admitted, c.discharged), 1) as days,
  c.charge, s.lines, s.services, s.medicine,
  cast(case when len(c.procedures) > 0 then 1 else 0 end as bigint) as operated,
  coalesce(p.sex, '') as sex, cast(coalesce(greatest(date_sub('year', p.birth_date, c.admitted), 0), -1) as bigint) as age
from claims c
join summed s on s.claim_id = c.claim_id
left join persons p on p.person_id = c.person_id
left join institutions i on i.institution = c.institution
where len(c.diagnoses) > 0 and c.admitted <= c.discharged and c.charge > 0
