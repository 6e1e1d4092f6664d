-- job: split
-- Stays soon after another for the same illness, in which little of what an admission takes was done again.
-- input: facts (claim_id varchar, person_id varchar, institution varchar, department varchar, tier bigint, district varchar, kind varchar, setting varchar, principal varchar, diagnoses bigint, admitted date, discharged date, quarter date, days bigint, charge bigint, lines bigint, services bigint, medicine bigint, operated bigint, sex varchar, age bigint)
-- param: prior bigint
-- step: stays
select * from facts where setting = 'stay'
-- step: ordered
select s.*,
  lag(claim_id) over (partition by person_id order by admitted, discharged, claim_id) as before,
  lag(discharged) over (partition by person_id order by admitted, discharged, claim_id) as left_on,
  lag(principal) over (partition by person_id order by admitted, discharged, claim_id) as was,
  lag(institution) over (partition by person_id order by admitted, discharged, claim_id) as at,
  lag(days) over (partition by person_id order by admitted, discharged, claim_id) as spent,
  lag(charge) over (partition by person_id order by admitted, discharged, claim_id) as cost
from stays s
-- step: usual
select principal, avg(cast(services as double)) as services, avg(ln(charge)) as level, avg(cast(days as double)) as days
from stays
group by principal
-- step: seen
select o.*, date_diff('day', o.left_on, o.admitted) as gap,
  case when o.before is not null and left(o.was, 3) = left(o.principal, 3)
    and date_diff('day', o.left_on, o.admitted) between 0 and 15 and o.at = o.institution then 1 else 0 end as soon
from ordered o
-- step: rates
select principal, (sum(soon) + 0.5) / (count(*) + 20) as rate from seen group by principal
-- step: units
select s.institution, s.department, (sum(s.soon) + $prior) / (sum(r.rate) + $prior) as ratio
from seen s
join rates r on r.principal = s.principal
group by s.institution, s.department
-- step: split
select s.claim_id, s.before as other, s.principal as what,
  ln(1 + s.gap) as x1, ln((s.services + 1) / (u.services + 1)) as x2, ln(t.ratio) as x3,
  cast(case when s.at = s.institution then 1 else 0 end as double) as x4, ln(s.charge) - u.level as x5,
  ln((s.days + s.spent) / (2 * u.days)) as x6
from seen s
join usual u on u.principal = s.principal
join units t on t.institution = s.institution and t.department = s.department
where s.before is not null and left(s.was, 3) = left(s.principal, 3) and s.gap between 0 and 30
