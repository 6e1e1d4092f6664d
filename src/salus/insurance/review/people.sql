-- job: people
-- What does not fit the person: sex, age, where they were that day, what they had, whether they lived.
-- A diagnosis' ratio at an age and sex is observed over expected if it were spread as all claims are.
-- input: facts (claim_id varchar, person_id varchar, institution varchar, department varchar, tier bigint, district varchar, kind varchar, setting varchar, principal varchar, diagnoses bigint, admitted date, discharged date, quarter date, days bigint, charge bigint, lines bigint, services bigint, medicine bigint, operated bigint, sex varchar, age bigint)
-- input: deaths (person_id varchar, died date)
-- step: banded
select *, least(cast(age // 10 as bigint), 9) as band from facts
-- step: whole
select count(*) as n from banded
-- step: cells
select sex, band, count(*) as n from banded group by sex, band
-- step: sizes
select principal, count(*) as n, count(distinct person_id) as persons from banded group by principal
-- step: seen
select principal, sex, band, count(*) as n from banded group by principal, sex, band
-- step: fits
select s.principal, s.sex, s.band, s.n, (s.n + 0.5) / (z.n * c.n / w.n + 0.5) as ratio, z.n / z.persons as often
from seen s
join sizes z on z.principal = s.principal
join cells c on c.sex = s.sex and c.band = s.band
cross join whole w
-- step: person_claims
select person_id, count(*) as claims from banded group by person_id
-- step: usual_places
select person_id, institution, count(*) as n from banded group by person_id, institution
-- step: usual_illnesses
select person_id, principal, count(*) as n from banded group by person_id, principal
-- step: stays
select claim_id, person_id, institution, admitted, discharged from banded where setting = 'stay'
-- step: meant
select v.claim_id, min(s.claim_id) as other
from banded v
join stays s on s.person_id = v.person_id and v.admitted > s.admitted and v.admitted < s.discharged
where v.setting <> 'stay' and s.institution <> v.institution
group by v.claim_id
-- step: elsewhere
select a.claim_id, min(b.claim_id) as other
from banded a
join banded b on b.person_id = a.person_id and b.admitted = a.admitted and b.district <> a.district
where a.setting <> 'stay' and b.setting <> 'stay'
group by a.claim_id
-- step: people
select b.claim_id, coalesce(m.other, e.other) as other, b.principal as what,
  least(greatest(-ln(f.ratio), -3), 9) as x1,
  cast(case when m.claim_id is not null then 1 else 0 end as double) as x2,
  cast(case when e.claim_id is not null then 1 else 0 end as double) as x3,
  cast(case when p.claims >= 3 and u.n = 1 then 1 else 0 end as double) as x4,
  case when i.n = 1 and p.claims >= 4 then ln(f.often) else 0 end as x5,
  case when d.died < b.admitted then ln(1 + date_diff('day', d.died, b.admitted)) else 0 end as x6
from banded b
join fits f on f.principal = b.principal and f.sex = b.sex and f.band = b.band
join person_claims p on p.person_id = b.person_id
join usual_places u on u.person_id = b.person_id and u.institution = b.institution
join usual_illnesses i on i.person_id = b.person_id and i.principal = b.principal
left join meant m on m.claim_id = b.claim_id
left join elsewhere e on e.claim_id = b.claim_id
left join deaths d on d.person_id = b.person_id
where f.ratio < 0.35 or m.claim_id is not null or e.claim_id is not null or d.died < b.admitted
  or (i.n = 1 and p.claims >= 4 and f.often > 1.5 and u.n = 1)
