-- job: amounts
-- Quantities of medicines far above what others give: a day of stay, or a visit, of the same preparation.
-- Residuals of logarithms over their median and median absolute deviation (Hampel 1974).
-- input: facts (claim_id varchar, person_id varchar, institution varchar, department varchar, tier bigint, district varchar, kind varchar, setting varchar, principal varchar, diagnoses bigint, admitted date, discharged date, quarter date, days bigint, charge bigint, lines bigint, services bigint, medicine bigint, operated bigint, sex varchar, age bigint)
-- input: claim_lines (claim_id varchar, item varchar, quantity decimal(12, 3))
-- input: items (item varchar, what varchar, sort varchar)
-- param: prior bigint
-- step: given
select l.claim_id, l.item, i.what, cast(sum(l.quantity) as double) as quantity
from claim_lines l
join items i on i.item = l.item
where i.sort = 'medicine'
group by l.claim_id, l.item, i.what
-- step: rated
select g.claim_id, f.institution, f.department, f.kind, f.setting, f.principal, g.item, g.what,
  ln(greatest(g.quantity, 0.001) / case when f.setting = 'stay' then f.days else 1 end) as rate
from given g
join facts f on f.claim_id = g.claim_id
-- step: broad
select what, kind, median(rate) as middle, count(*) as n from rated group by what, kind
-- step: narrow
select item, kind, principal, median(rate) as middle from rated
group by item, kind, principal
having count(*) >= 15
-- step: centred
select r.claim_id, r.institution, r.department, r.kind, r.setting, r.principal, r.what,
  r.rate - coalesce(n.middle, b.middle) as above, b.n
from rated r
join broad b on b.what = r.what and b.kind = r.kind
left join narrow n on n.item = r.item and n.kind = r.kind and n.principal = r.principal
where b.n >= 10
-- step: spreads
select what, kind, median(abs(above)) as spread from centred group by what, kind
-- step: own_spreads
select what, kind, principal, median(abs(above)) as spread from centred
group by what, kind, principal
having count(*) >= 15
-- step: scaled
select c.claim_id, c.institution, c.department, c.setting, c.what, c.above,
  c.above / (1.4826 * coalesce(o.spread, s.spread) + 0.12) as z
from centred c
join spreads s on s.what = c.what and s.kind = c.kind
left join own_spreads o on o.what = c.what and o.kind = c.kind and o.principal = c.principal
-- step: rates
select setting, (count(*) filter (where z > 2.5) + 1) / (count(*) + 20) as rate from scaled group by setting
-- step: units
select s.institution, s.department,
  (count(*) filter (where s.z > 2.5) + $prior) / (sum(r.rate) + $prior) as ratio
from scaled s
join rates r on r.setting = s.setting
group by s.institution, s.department
-- step: named
select claim_id, what, row_number() over (partition by claim_id order by z desc, what) as place from scaled
-- step: summed
select claim_id, min(institution) as institution, min(department) as department, max(z) as z,
  avg(greatest(z, 0)) as mean, max(above) as above, count(*) filter (where z > 1.5) / count(*) as share,
  count(*) as n
from scaled
group by claim_id
-- step: amounts
select s.claim_id, cast(null as varchar) as other, n.what, least(s.z, 15) as x1, least(s.mean, 10) as x2,
  ln(u.ratio) as x3, s.share as x4, least(s.above, 5) as x5, ln(s.n) as x6
from summed s
join units u on u.institution = s.institution and u.department = s.department
join named n on n.claim_id = s.claim_id and n.place = 1
where s.z > 0.5
