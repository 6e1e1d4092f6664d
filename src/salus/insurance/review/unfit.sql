-- job: unfit
-- Diagnoses that hardly occur at the person's sex or age, and whose claims do not bill what they call for.
-- Ratios are observed over expected if a diagnosis were spread over sexes and ages as all claims are.
-- input: facts (claim_id varchar, person_id varchar, setting varchar, principal varchar, sex varchar, age bigint)
-- input: marks (claim_id varchar, what varchar, sort varchar)
-- step: banded
select claim_id, person_id, setting, principal, sex, least(cast(age // 10 as bigint), 9) as band from facts
-- step: whole
select count(*) as n from banded
-- step: sizes
select principal, count(*) as n from banded group by principal
-- step: sexes
select sex, count(*) as n from banded group by sex
-- step: bands
select band, count(*) as n from banded group by band
-- step: by_sex
select principal, sex, count(*) as n from banded group by principal, sex
-- step: by_band
select principal, band, count(*) as n from banded group by principal, band
-- step: rare_sex
select s.principal, s.sex, ln((z.n * c.n / w.n + 0.3) / (s.n + 0.3)) as rare
from by_sex s
join sizes z on z.principal = s.principal
join sexes c on c.sex = s.sex
cross join whole w
-- step: rare_band
select s.principal, s.band, ln((z.n * c.n / w.n + 0.3) / (s.n + 0.3)) as rare
from by_band s
join sizes z on z.principal = s.principal
join bands c on c.band = s.band
cross join whole w
-- step: rare
select b.claim_id, b.person_id, b.setting, b.principal, s.rare as by_sex, a.rare as by_band, z.n
from banded b
join rare_sex s on s.principal = b.principal and s.sex = b.sex
join rare_band a on a.principal = b.principal and a.band = b.band
join sizes z on z.principal = b.principal
where s.rare > 0.9 or a.rare > 0.9
-- step: settings
select setting, count(*) as n from banded group by setting
-- step: common
select b.setting, m.what, count(*) / max(z.n) as share
from banded b
join marks m on m.claim_id = b.claim_id
join settings z on z.setting = b.setting
group by b.setting, m.what
-- step: groups
select setting, principal, count(*) as n from banded group by setting, principal
-- step: usual
select b.setting, b.principal, m.what, count(*) / max(g.n) as share
from banded b
join marks m on m.claim_id = b.claim_id
join groups g on g.setting = b.setting and g.principal = b.principal
group by b.setting, b.principal, m.what
-- step: matched
select r.claim_id, count(*) as n, avg(ln((u.share + 0.002) / (c.share + 0.002))) as fit,
  min(ln((u.share + 0.002) / (c.share + 0.002))) as worst
from rare r
join marks m on m.claim_id = r.claim_id
join common c on c.setting = r.setting and c.what = m.what
join usual u on u.setting = r.setting and u.principal = r.principal and u.what = m.what
where c.share < 0.3
group by r.claim_id
-- step: repeats
select person_id, principal, count(*) as n from banded group by person_id, principal
-- step: unfit
select r.claim_id, cast(null as varchar) as other, r.principal as what,
  least(greatest(r.by_sex, -1), 6) as x1, least(greatest(r.by_band, -1), 6) as x2, ln(r.n) as x3,
  coalesce(m.fit, 0) as x4, ln(p.n) as x5, coalesce(m.worst, 0) as x6
from rare r
left join matched m on m.claim_id = r.claim_id
join repeats p on p.person_id = r.person_id and p.principal = r.principal
