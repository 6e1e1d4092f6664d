-- step: copies
select
  claim_id, person_id, institution, kind, admitted, discharged, submitted, diagnoses, procedures, referral,
  illness, charge,
  row_number() over (
    partition by claim_id
    order by person_id, institution, kind, admitted, discharged, submitted, referral, illness, charge
  ) as copy,
  count(*) over (partition by claim_id) as copies
from claims
-- step: totals
select
  claim_id, count(*) as lines,
  cast(sum(case when charge between -{most} and {most} then charge else 0 end) as bigint) as line_sum
from claim_lines
group by claim_id
-- step: asked
-- A line of no claim makes one that is sent back, so that no line goes without an answer.
select
  c.claim_id, true as known, c.copies, coalesce(t.lines, 0) as lines, coalesce(t.line_sum, 0) as line_sum,
  c.person_id, c.institution, c.kind, c.admitted, c.discharged, c.submitted, c.diagnoses, c.procedures,
  c.referral, c.illness, c.charge
from copies as c left join totals as t on t.claim_id = c.claim_id
where c.copy = 1
union all
select
  t.claim_id, false as known, 1 as copies, t.lines, t.line_sum,
  c.person_id, c.institution, c.kind, c.admitted, c.discharged, c.submitted, c.diagnoses, c.procedures,
  c.referral, c.illness, c.charge
from totals as t left join claims as c on c.claim_id = t.claim_id
where c.claim_id is null
-- step: codes
select claim_id, unnest(diagnoses) as code from asked
-- step: diagnosed
select
  d.claim_id,
  count(case
    when d.code is null or not regexp_full_match(d.code, '{form}') or ($known_codes > 0 and k.code is null)
    then 1 end) as unknown_codes,
  count(case when k.sex = 'male' then 1 end) as male_only,
  count(case when k.sex = 'female' then 1 end) as female_only,
  string_agg(d.code, ';' order by d.code) as words
from codes as d left join diagnoses as k on k.code = d.code
group by d.claim_id
-- step: operations
select claim_id, unnest(procedures) as code from asked
-- step: operated
select claim_id, string_agg(code, ';' order by code) as words from operations group by claim_id
-- step: cover_on
select a.claim_id, c.scheme, c.starts, c.waiting_until
from asked as a join coverage as c on c.person_id = a.person_id
where c.starts <= a.admitted and (c.ends is null or c.ends >= a.admitted)
qualify row_number() over (partition by a.claim_id order by c.starts desc, c.scheme, c.waiting_until) = 1
-- step: class_on
select a.claim_id, k.class
from asked as a
join statuses as s on s.person_id = a.person_id
join classes as k on k.status = s.status
where s.starts <= a.discharged and (s.ends is null or s.ends >= a.discharged)
  and a.discharged between k.valid_from and k.valid_to
qualify row_number() over (partition by a.claim_id order by k.priority, k.class) = 1
-- step: registered_on
select distinct a.claim_id
from asked as a join registrations as r on r.person_id = a.person_id and r.illness = a.illness
where r.starts <= a.admitted and (r.ends is null or r.ends >= a.admitted)
-- step: fitting
select distinct a.claim_id
from asked as a
join codes as d on d.claim_id = a.claim_id
join illnesses as i on i.illness = a.illness and starts_with(d.code, i.prefix)
-- step: facts
select
  a.claim_id, a.person_id, year(a.discharged) as year,
  coalesce(a.discharged, a.admitted, a.submitted, $as_of) as day,
  $as_of as as_of, a.known as claim_known, a.copies as claim_copies, a.lines as claim_lines,
  a.line_sum as claim_line_sum, a.person_id as claim_person, a.institution as claim_institution,
  a.kind as claim_kind, a.admitted as claim_admitted, a.discharged as claim_discharged,
  a.submitted as claim_submitted, a.diagnoses as claim_diagnoses, a.procedures as claim_procedures,
  ';' || coalesce(d.words, '') as claim_diagnoses_text, ';' || coalesce(o.words, '') as claim_procedures_text,
  a.diagnoses[1] as claim_principal, a.referral as claim_referral, a.illness as claim_illness,
  a.charge as claim_charge, coalesce(d.unknown_codes, 0) as claim_unknown_diagnoses,
  case p.sex when 'male' then coalesce(d.female_only, 0) when 'female' then coalesce(d.male_only, 0) else 0 end
    as claim_sex_clashes,
  case when a.illness is null then null else t.claim_id is not null end as claim_illness_fits,
  r.claim_id is not null as claim_registered,
  p.person_id is not null as person_known, p.sex as person_sex, p.birth_date as person_birth_date,
  p.death_date as person_death_date,
  case when p.birth_date > a.admitted then null else (
    (year(a.admitted) * 10000 + month(a.admitted) * 100 + day(a.admitted))
    - (year(p.birth_date) * 10000 + month(p.birth_date) * 100 + day(p.birth_date))
  ) // 10000 end as person_age,
  coalesce(k.class, '{general}') as person_class,
  i.institution is not null as institution_known,
  coalesce(i.valid_from <= a.admitted and (i.valid_to is null or i.valid_to >= a.admitted), false)
    as institution_contracted,
  i.tier as institution_tier, i.district as institution_district, i.licences as institution_licences,
  i.designated as institution_designated,
  c.scheme as cover_scheme, c.starts as cover_starts, c.waiting_until as cover_waiting_until
from asked as a
left join diagnosed as d on d.claim_id = a.claim_id
left join operated as o on o.claim_id = a.claim_id
left join cover_on as c on c.claim_id = a.claim_id
left join class_on as k on k.claim_id = a.claim_id
left join registered_on as r on r.claim_id = a.claim_id
left join fitting as t on t.claim_id = a.claim_id
left join persons as p on p.person_id = a.person_id
left join institutions as i on i.institution = a.institution
-- step: begun
select *, lead(valid_from) over (partition by item order by valid_from) as next_from from catalogue
-- step: listed
select * exclude (valid_to, next_from), least(valid_to, next_from - 1, date '9999-12-31') as valid_to
from begun
-- step: items
select distinct item from catalogue
-- step: repeated
select claim_id, line_no, count(*) as copies from claim_lines group by claim_id, line_no having count(*) > 1
-- step: catalogued
select
  l.claim_id, l.line_no, l.service_date, l.item, l.charge, l.unit_price, l.department,
  cast(l.quantity * 1000 as bigint) as quantity,
  c.kind as item_kind, c.class as item_class, c.valid_from as item_from, c.self_share, c.sex as item_sex,
  c.min_age as item_min_age, c.max_age as item_max_age, c.care as item_care, c.licence as item_licence,
  c.waiting_days as item_waiting_days, c.exclusive_group, c.bundle,
  cast(c.max_day * 1000 as bigint) as max_day, cast(c.max_stay * 1000 as bigint) as max_stay,
  c.ceiling_1, c.ceiling_2, c.ceiling_3, coalesce(len(c.indications), 0) > 0 as is_bound
from claim_lines as l
left join listed as c on c.item = l.item and l.service_date between c.valid_from and c.valid_to
-- step: bound_items
select distinct claim_id, item, item_from from catalogued where is_bound
-- step: indications
select item, valid_from as item_from, unnest(indications) as prefix from listed
-- step: indicated
select distinct b.claim_id, b.item, b.item_from
from bound_items as b
join indications as i on i.item = b.item and i.item_from = b.item_from
join codes as d on d.claim_id = b.claim_id and starts_with(d.code, i.prefix)
-- step: line_facts
select
  l.claim_id, l.line_no, f.day, f.year, l.item_from, l.self_share, l.exclusive_group, l.bundle, l.max_day,
  l.max_stay, case f.institution_tier when 3 then l.ceiling_3 when 2 then l.ceiling_2 else l.ceiling_1 end
    as ceiling,
  coalesce(r.copies, 1) as line_copies, l.service_date as line_service_date, l.item as line_item,
  l.quantity as line_quantity, l.unit_price as line_unit_price, l.charge as line_charge,
  case when l.quantity between 1 and {units} * 1000 and l.unit_price between 0 and {most}
    then (l.quantity * l.unit_price + 500) // 1000 end as line_expected,
  l.department as line_department,
  k.item is not null as item_known, l.item_from is not null as item_listed, l.item_kind, l.item_class,
  l.item_sex, l.item_min_age, l.item_max_age, l.item_care, l.item_licence, l.item_waiting_days,
  case when l.item_from is null then null when l.is_bound then n.item is not null else true end
    as item_indicated{line_columns}
from catalogued as l
join facts as f on f.claim_id = l.claim_id
left join items as k on k.item = l.item
left join repeated as r on r.claim_id = l.claim_id and r.line_no = l.line_no
left join indicated as n on n.claim_id = l.claim_id and n.item = l.item and n.item_from = l.item_from
-- step: claim_failed
select claim_id, {claim_edits} as numbers from facts
-- step: claim_numbers
select claim_id, unnest(string_split(numbers, ',')) as number from claim_failed where numbers <> ''
-- step: claim_found
select f.claim_id, e.rule, e.version, e.code, e.effect, e.params, e.stage, e.rank
from claim_numbers as f join edits as e on e.number = f.number
-- step: line_failed
select claim_id, line_no, line_charge as charge, {line_edits} as numbers from line_facts
-- step: line_numbers
select claim_id, line_no, charge, unnest(string_split(numbers, ',')) as number
from line_failed where numbers <> ''
-- step: line_found
select f.claim_id, f.line_no, f.charge, e.rule, e.version, e.code, e.effect, e.params, e.stage, e.rank
from line_numbers as f join edits as e on e.number = f.number
-- step: screened
select claim_id, rule, version, code, effect, params, stage, rank from claim_found
union all
select claim_id, rule, version, code, effect, params, stage, rank from line_found where effect = 'return'
-- step: screened_out
select claim_id, rule, version, code, effect, params
from screened where effect <> 'flag'
qualify row_number() over (partition by claim_id order by stage, rank) = 1
-- step: standing
select
  f.claim_id, f.person_id, f.year, f.day, f.claim_institution as institution, f.claim_kind as kind,
  f.claim_admitted as admitted, f.claim_discharged as discharged, f.claim_principal as diagnosis,
  f.claim_charge as charge
from facts as f anti join screened_out as o on o.claim_id = f.claim_id
-- step: prior
select claim_id, person_id, institution, kind, admitted, discharged, diagnosis, charge, false as in_batch
from earlier
union all
select claim_id, person_id, institution, kind, admitted, discharged, diagnosis, charge, true as in_batch
from standing
-- step: pairs
select s.claim_id, s.day,
  p.institution = s.institution and p.kind = s.kind and p.admitted = s.admitted
    and p.discharged = s.discharged and p.charge = s.charge as is_same,
  p.kind = 'inpatient' and s.kind = 'inpatient' and p.discharged > s.admitted and p.admitted < s.discharged
    as is_over,
  case when p.kind = 'inpatient' and s.kind = 'inpatient' and p.institution = s.institution
    and left(p.diagnosis, 3) = left(s.diagnosis, 3) and p.discharged <= s.admitted
    then date_diff('day', p.discharged, s.admitted) end as days_after,
  p.kind <> 'inpatient' and s.kind = 'inpatient' and p.admitted > s.admitted and p.admitted < s.discharged
    as is_visit
from standing as s join prior as p on p.person_id = s.person_id
where p.claim_id <> s.claim_id
  and (not p.in_batch or p.discharged < s.discharged
    or (p.discharged = s.discharged and p.claim_id < s.claim_id))
  and (s.kind = 'inpatient' or (p.admitted = s.admitted and p.kind = s.kind))
-- step: pair_found
select distinct p.claim_id, e.rule, e.version, e.code, e.effect, e.params, e.rank
from pairs as p join edits as e on p.day between e.valid_from and e.valid_to
where (e.kind = 'duplicate_claim' and p.is_same) or (e.kind = 'overlap' and p.is_over)
  or (e.kind = 'stay_split' and p.days_after <= e.most) or (e.kind = 'visit_in_stay' and p.is_visit)
-- step: paired_out
select claim_id, rule, version, code, effect, params
from pair_found where effect <> 'flag'
qualify row_number() over (partition by claim_id order by rank) = 1
-- step: countable
select f.* from facts as f
anti join screened_out as o on o.claim_id = f.claim_id
anti join paired_out as p on p.claim_id = f.claim_id
-- step: count_failed
select claim_id, person_id, year, claim_discharged as discharged, {count_edits} as numbers from countable
-- step: count_hits
select claim_id, person_id, year, discharged, unnest(string_split(numbers, ',')) as number
from count_failed where numbers <> ''
-- step: counted
select
  h.claim_id, h.person_id, h.year, e.rule, e.version, e.code, e.effect, e.params, e.rank,
  coalesce(b.amount, 0) + row_number() over (
    partition by h.person_id, h.year, e.rule order by h.discharged, h.claim_id
  ) > e.most as is_over
from count_hits as h
join edits as e on e.number = h.number
left join balances as b
  on b.person_id = h.person_id and b.year = h.year and b.account = 'count' and b.key = e.rule
-- step: counted_out
select claim_id, rule, version, code, effect, params
from counted where is_over and effect <> 'flag'
qualify row_number() over (partition by claim_id order by rank) = 1
-- step: decided
select claim_id, rule, version, code, effect, params from screened_out
union all
select claim_id, rule, version, code, effect, params from paired_out
union all
select claim_id, rule, version, code, effect, params from counted_out
-- step: alive
select
  f.claim_id, f.person_id, f.year, f.day, f.claim_kind as kind, f.claim_discharged as discharged,
  f.claim_referral as referral, f.claim_illness as illness, coalesce(f.claim_illness_fits, false) as fits,
  f.institution_tier as tier, f.institution_designated as designated, f.person_class as class,
  f.cover_scheme as scheme
from facts as f anti join decided as o on o.claim_id = f.claim_id
