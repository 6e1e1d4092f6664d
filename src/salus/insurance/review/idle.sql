-- job: idle
-- Stays without an operation that cost and did much less than others for the same illness, several at a time.
-- input: facts (claim_id varchar, person_id varchar, institution varchar, department varchar, tier bigint, district varchar, kind varchar, setting varchar, principal varchar, diagnoses bigint, admitted date, discharged date, quarter date, days bigint, charge bigint, lines bigint, services bigint, medicine bigint, operated bigint, sex varchar, age bigint)
-- param: prior bigint
-- step: stays
select * from facts where setting = 'stay' and operated = 0
-- step: usual
select principal, tier, avg(ln(charge / days)) as daily, avg(ln(services + 1)) as services,
  avg(ln(medicine / days + 100)) as medicine
from stays
group by principal, tier
-- step: measured
select s.*, cast(date_trunc('week', s.admitted) as date) as week,
  u.daily - ln(s.charge / s.days) as cheap, u.services - ln(s.services + 1) as few,
  u.medicine - ln(s.medicine / s.days + 100) as untreated
from stays s
join usual u on u.principal = s.principal and u.tier = s.tier
-- step: judged
select *, case when cheap > 0.3 and few > 0.3 then 1 else 0 end as low from measured
-- step: rates
select principal, (sum(low) + 1) / (count(*) + 20) as rate from judged group by principal
-- step: units
select j.institution, j.department, (sum(j.low) + $prior) / (sum(r.rate) + $prior) as ratio
from judged j
join rates r on r.principal = j.principal
group by j.institution, j.department
-- step: weeks
select institution, department, week, sum(low) as low from judged group by institution, department, week
-- step: idle
select j.claim_id, cast(null as varchar) as other, j.principal as what,
  round(least(greatest(j.cheap, -3), 4) * 1000000000) / 1000000000 as x1,
  round(least(greatest(j.few, -3), 3) * 1000000000) / 1000000000 as x2, ln(u.ratio) as x3,
  ln(1 + greatest(w.low - j.low, 0)) as x4,
  cast(case when j.diagnoses = 1 then 1 else 0 end as double) as x5,
  round(least(greatest(j.untreated, -3), 4) * 1000000000) / 1000000000 as x6
from judged j
join units u on u.institution = j.institution and u.department = j.department
join weeks w on w.institution = j.institution and w.department = j.department and w.week = j.week
where j.cheap > 0 and j.few > -0.3
