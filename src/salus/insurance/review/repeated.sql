-- job: repeated
-- Visits much like the one before of the same person for the same illness: billed twice, or never made.
-- input: facts (claim_id varchar, person_id varchar, institution varchar, department varchar, tier bigint, district varchar, kind varchar, setting varchar, principal varchar, diagnoses bigint, admitted date, discharged date, quarter date, days bigint, charge bigint, lines bigint, services bigint, medicine bigint, operated bigint, sex varchar, age bigint)
-- input: claim_lines (claim_id varchar, item varchar, quantity decimal(12, 3))
-- param: prior bigint
-- step: visits
select * from facts where setting <> 'stay'
-- step: ordered
select claim_id, person_id, institution, department, principal, admitted, kind, lines, tier,
  lag(claim_id) over (partition by person_id, principal order by admitted, claim_id) as before,
  lag(admitted) over (partition by person_id, principal order by admitted, claim_id) as seen_on,
  lag(institution) over (partition by person_id, principal order by admitted, claim_id) as at,
  lag(lines) over (partition by person_id, principal order by admitted, claim_id) as had
from visits
-- step: near
select *, date_diff('day', seen_on, admitted) as gap
from ordered
where before is not null and date_diff('day', seen_on, admitted) <= 45
-- step: amounts
select claim_id, item, sum(quantity) as quantity from claim_lines group by claim_id, item
-- step: alike
select n.claim_id, count(*) as common, count(*) filter (where a.quantity = b.quantity) as same
from near n
join amounts a on a.claim_id = n.claim_id
join amounts b on b.claim_id = n.before and b.item = a.item
group by n.claim_id
-- step: compared
select n.*, coalesce(a.common, 0) / greatest(n.lines, n.had) as shared,
  coalesce(a.same, 0) / greatest(n.lines, n.had) as same, coalesce(a.common, 0) as common,
  case when coalesce(a.same, 0) >= 2 and a.same = greatest(n.lines, n.had) then 1 else 0 end as copy
from near n
left join alike a on a.claim_id = n.claim_id
-- step: volumes
select institution, department, count(*) as n from visits group by institution, department
-- step: copies
select institution, department, sum(copy) as o from compared group by institution, department
-- step: whole
select sum(copy) / max(n.n) as rate from compared cross join (select count(*) as n from visits) n
-- step: units
select v.institution, v.department, (coalesce(c.o, 0) + $prior) / (v.n * w.rate + $prior) as ratio
from volumes v
left join copies c on c.institution = v.institution and c.department = v.department
cross join whole w
-- step: repeated
select c.claim_id, c.before as other, c.principal as what, c.same as x1, ln(1 + c.gap) as x2,
  cast(case when c.at = c.institution then 1 else 0 end as double) as x3, ln(u.ratio) as x4,
  ln(1 + c.common) as x5, c.shared as x6
from compared c
join units u on u.institution = c.institution and u.department = c.department
