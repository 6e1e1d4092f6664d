-- step: shared
select
  claim_id, line_no, item, item_class, item_from, self_share, charge, amount,
  case when item_class in ('A', 'B') then 0 else amount end as outside,
  case when item_class = 'B' then (amount * coalesce(self_share, 0) + 5000) // 10000 else 0 end as class_b
from cut_lines
-- step: sums
select
  claim_id, cast(sum(amount - outside - class_b) as bigint) as eligible,
  cast(sum(class_b) as bigint) as class_b, cast(sum(outside) as bigint) as outside
from shared
group by claim_id
-- step: placed
select
  a.claim_id, a.person_id, a.year, a.kind, a.discharged, a.referral, a.illness, a.fits, a.tier, a.designated,
  a.class, a.scheme, coalesce(s.eligible, 0) as eligible, coalesce(s.class_b, 0) as class_b,
  coalesce(s.outside, 0) as outside,
  case when a.kind = 'inpatient' then coalesce(b.amount, 0) + row_number() over (
    partition by a.person_id, a.year, a.scheme, a.kind order by a.discharged, a.claim_id
  ) end as stay
from alive as a
left join sums as s on s.claim_id = a.claim_id
left join balances as b
  on b.person_id = a.person_id and b.year = a.year and b.account = 'stays' and b.key = a.scheme
-- step: planned
select
  a.*,
  case when a.kind = 'chronic' and q.rule is null then null else coalesce(q.rate, r.rate) end as rate,
  case when q.rate is not null then q.rule else r.rule end as rate_rule,
  case when q.rate is not null then q.version else r.version end as rate_version,
  d.amount as stay_deductible, d.rule as stay_rule, d.version as stay_version,
  y.amount as year_deductible, y.rule as year_rule, y.version as year_version,
  coalesce(c.amount, {unlimited}) as stay_ceiling, c.rule as stay_ceiling_rule,
  c.version as stay_ceiling_version,
  coalesce(t.amount, {unlimited}) as year_ceiling, t.rule as year_ceiling_rule,
  t.version as year_ceiling_version,
  coalesce(q.amount, {unlimited}) as quota, q.rule as quota_rule, q.version as quota_version,
  case when q.rule is not null then
    a.scheme || ':' || a.kind || ':' || q.illness || ':' || cast(case q.period
      when 'year' then make_date(a.year, 1, 1)
      when 'quarter' then make_date(a.year, quarter(a.discharged) * 3 - 2, 1)
      else make_date(a.year, month(a.discharged), 1) end as varchar)
  end as quota_key,
  coalesce(p.class_b_counts, false) as class_b_counts,
  s.rule as serious_rule, s.version as serious_version, s.cap as serious_cap,
  m.rule as aid_rule, m.version as aid_version, m.cap as aid_cap,
  f.rule as free_rule, f.version as free_version, f.cap as free_cap, f.share as free_share,
  coalesce(f.outside, false) as free_outside
from placed as a
left join rates as r
  on r.scheme = a.scheme and r.kind = a.kind and r.class = a.class and r.tier = a.tier
  and r.referral = a.referral and a.discharged between r.valid_from and r.valid_to
left join deductibles as d
  on d.scheme = a.scheme and d.kind = a.kind and d.class = a.class and d.tier = a.tier
  and d.stay = least(coalesce(a.stay, 1), $most_stays) and a.discharged between d.valid_from and d.valid_to
left join year_deductibles as y on y.scheme = a.scheme and y.kind = a.kind and y.year = a.year
left join stay_ceilings as c
  on c.scheme = a.scheme and c.kind = a.kind and c.class = a.class
  and a.discharged between c.valid_from and c.valid_to
left join year_ceilings as t on t.scheme = a.scheme and t.year = a.year
left join quotas as q
  on q.scheme = a.scheme and q.kind = a.kind and q.year = a.year
  and q.illness = case when a.kind = 'chronic' then a.illness else '' end
left join plans as p on p.scheme = a.scheme and p.year = a.year
left join serious as s on s.scheme = a.scheme and s.kind = a.kind and s.class = a.class and s.year = a.year
left join aid as m on m.scheme = a.scheme and m.kind = a.kind and m.class = a.class and m.year = a.year
left join free as f
  on f.illness = a.illness and f.class = a.class and f.year = a.year
  and a.fits and list_contains(a.designated, a.illness)
-- step: based
select *, case when rate is null then 0 else eligible end as base from planned
-- step: deducting
select
  a.*, coalesce(b.amount, 0) as deductible_used,
  coalesce(b.amount, 0) + cast(sum(a.base) over (
    partition by a.person_id, a.year, a.scheme, a.kind order by a.discharged, a.claim_id
    rows between unbounded preceding and current row
  ) as bigint) as base_sum
from based as a
left join balances as b
  on b.person_id = a.person_id and b.year = a.year and b.account = 'deductible'
  and b.key = a.scheme || ':' || a.kind
-- step: deducted
select *, case
  when rate is null then 0
  when year_deductible is not null then least(greatest(year_deductible, deductible_used), base_sum)
    - least(greatest(year_deductible, deductible_used), base_sum - base)
  else least(coalesce(stay_deductible, 0), base) end as deductible
from deducting
-- step: potential
select *, ((base - deductible) * coalesce(rate, 0) + 5000) // 10000 as full_pay,
  least(((base - deductible) * coalesce(rate, 0) + 5000) // 10000, stay_ceiling) as stay_pay
from deducted
-- step: quoted
select
  a.*, coalesce(b.amount, 0) as quota_used,
  coalesce(b.amount, 0) + cast(sum(a.stay_pay) over (
    partition by a.person_id, a.year, a.quota_key order by a.discharged, a.claim_id
    rows between unbounded preceding and current row
  ) as bigint) as quota_sum
from potential as a
left join balances as b
  on b.person_id = a.person_id and b.year = a.year and b.account = 'quota' and b.key = a.quota_key
-- step: in_quota
select *, case when quota_key is null then stay_pay else
  least(greatest(quota, quota_used), quota_sum) - least(greatest(quota, quota_used), quota_sum - stay_pay)
  end as quota_pay
from quoted
-- step: ceiled
select
  a.*, coalesce(b.amount, 0) as year_used,
  coalesce(b.amount, 0) + cast(sum(a.quota_pay) over (
    partition by a.person_id, a.year, a.scheme order by a.discharged, a.claim_id
    rows between unbounded preceding and current row
  ) as bigint) as year_sum
from in_quota as a
left join balances as b
  on b.person_id = a.person_id and b.year = a.year and b.account = 'basic' and b.key = a.scheme
-- step: in_ceiling
select *, least(greatest(year_ceiling, year_used), year_sum)
  - least(greatest(year_ceiling, year_used), year_sum - quota_pay) as basic
from ceiled
-- step: own
select *,
  case when rate is null then 0 else base - basic + case when class_b_counts then class_b else 0 end end as own
from in_ceiling
-- step: serious_summed
select
  a.*, case when a.serious_rule is null then 0 else a.own end as serious_base,
  coalesce(b.amount, 0) + cast(sum(case when a.serious_rule is null then 0 else a.own end) over (
    partition by a.person_id, a.year, a.scheme order by a.discharged, a.claim_id
    rows between unbounded preceding and current row
  ) as bigint) as serious_sum
from own as a
left join balances as b
  on b.person_id = a.person_id and b.year = a.year and b.account = 'serious' and b.key = a.scheme
-- step: serious_steps
select
  a.claim_id,
  least(a.serious_cap, (cast(sum(b.rate * greatest(least(a.serious_sum, b.high) - b.low, 0)) as bigint)
    + 5000) // 10000)
  - least(a.serious_cap, (cast(sum(b.rate * greatest(
      least(a.serious_sum - a.serious_base, b.high) - b.low, 0)) as bigint) + 5000) // 10000) as serious
from serious_summed as a
join serious_bands as b on b.rule = a.serious_rule and b.version = a.serious_version and b.year = a.year
where a.serious_base > 0
group by a.claim_id, a.serious_cap
-- step: aid_summed
select
  a.*, coalesce(s.serious, 0) as serious,
  case when a.aid_rule is null then 0 else a.own - coalesce(s.serious, 0) end as aid_base,
  coalesce(b.amount, 0) + cast(sum(
    case when a.aid_rule is null then 0 else a.own - coalesce(s.serious, 0) end
  ) over (
    partition by a.person_id, a.year order by a.discharged, a.claim_id
    rows between unbounded preceding and current row
  ) as bigint) as aid_sum
from serious_summed as a
left join serious_steps as s on s.claim_id = a.claim_id
left join balances as b
  on b.person_id = a.person_id and b.year = a.year and b.account = 'aid' and b.key = ''
-- step: aid_steps
select
  a.claim_id,
  least(a.aid_cap, (cast(sum(b.rate * greatest(least(a.aid_sum, b.high) - b.low, 0)) as bigint)
    + 5000) // 10000)
  - least(a.aid_cap, (cast(sum(b.rate * greatest(
      least(a.aid_sum - a.aid_base, b.high) - b.low, 0)) as bigint) + 5000) // 10000) as aid
from aid_summed as a
join aid_bands as b on b.rule = a.aid_rule and b.version = a.aid_version and b.year = a.year
where a.aid_base > 0
group by a.claim_id, a.aid_cap
-- step: left_over
select
  a.*, coalesce(m.aid, 0) as aid,
  case when a.rate is null or a.free_rule is null then 0 else
    a.own - a.serious - coalesce(m.aid, 0) + case when a.free_outside
      then a.outside + case when a.class_b_counts then 0 else a.class_b end else 0 end
  end as free_base
from aid_summed as a left join aid_steps as m on m.claim_id = a.claim_id
-- step: free_asked
select *, case when free_rule is null then 0 else (free_base * free_share + 5000) // 10000 end as free_pay
from left_over
-- step: free_summed
select
  a.*, coalesce(b.amount, 0) as free_used,
  coalesce(b.amount, 0) + cast(sum(a.free_pay) over (
    partition by a.person_id, a.year, a.illness order by a.discharged, a.claim_id
    rows between unbounded preceding and current row
  ) as bigint) as free_sum
from free_asked as a
left join balances as b
  on b.person_id = a.person_id and b.year = a.year and b.account = 'free' and b.key = a.illness
-- step: settled
select *, full_pay - basic as over_ceiling,
  base - deductible - full_pay as copayment,
  case when quota_pay > basic then 'year' when stay_pay > quota_pay then 'quota'
    when full_pay > stay_pay then 'stay' end as ceiling,
  case when year_deductible is not null then year_rule else stay_rule end as deductible_rule,
  case when year_deductible is not null then year_version else stay_version end as deductible_version,
  case when free_rule is null then 0 else least(greatest(free_cap, free_used), free_sum)
    - least(greatest(free_cap, free_used), free_sum - free_pay) end as free
from free_summed
-- step: weighed
-- What a claim is paid goes to its lines by running differences: each share is the part of the running total
-- that falls on the line, so that shares add up to the fen and none is more than its line.
select
  l.claim_id, l.line_no, l.item, l.item_class, l.item_from, l.self_share, l.charge, l.outside, l.class_b,
  case when s.rate is null then l.amount - l.outside - l.class_b else 0 end as unpaid,
  case when s.rate is null then 0 else l.amount - l.outside - l.class_b end as weight,
  s.base, s.deductible, s.basic, s.over_ceiling, s.own, s.serious, s.aid, s.free, s.free_base,
  case when s.rate is not null and s.class_b_counts then l.class_b else 0 end as own_b,
  case when s.free_outside then l.outside + case when s.class_b_counts then 0 else l.class_b end else 0 end
    as free_out,
  cast(sum(case when s.rate is null then 0 else l.amount - l.outside - l.class_b end) over (
    partition by l.claim_id order by l.line_no rows between unbounded preceding and current row
  ) as bigint) as weight_sum
from shared as l join settled as s on s.claim_id = l.claim_id
-- step: after_deductible
select *, case when base = 0 then 0 else
  deductible * weight_sum // base - deductible * (weight_sum - weight) // base end as line_deductible
from weighed
-- step: covered
select *, weight - line_deductible as cover, cast(sum(weight - line_deductible) over (
    partition by claim_id order by line_no rows between unbounded preceding and current row
  ) as bigint) as cover_sum
from after_deductible
-- step: after_basic
select *, case when base = deductible then 0 else
  basic * cover_sum // (base - deductible) - basic * (cover_sum - cover) // (base - deductible) end as line_basic
from covered
-- step: kept
select *, line_deductible + cover - line_basic + own_b as line_own, cast(sum(cover - line_basic) over (
    partition by claim_id order by line_no rows between unbounded preceding and current row
  ) as bigint) as rest_sum,
  cast(sum(line_deductible + cover - line_basic + own_b) over (
    partition by claim_id order by line_no rows between unbounded preceding and current row
  ) as bigint) as own_sum
from after_basic
-- step: after_serious
select *,
  case when base - deductible = basic then 0 else over_ceiling * rest_sum // (base - deductible - basic)
    - over_ceiling * (rest_sum - cover + line_basic) // (base - deductible - basic) end as line_over,
  case when own = 0 then 0 else serious * own_sum // own - serious * (own_sum - line_own) // own end
    as line_serious
from kept
-- step: for_aid
select *, line_own - line_serious as aid_weight, cast(sum(line_own - line_serious) over (
    partition by claim_id order by line_no rows between unbounded preceding and current row
  ) as bigint) as aid_weight_sum
from after_serious
-- step: after_aid
select *, case when own = serious then 0 else
  aid * aid_weight_sum // (own - serious) - aid * (aid_weight_sum - aid_weight) // (own - serious) end as line_aid
from for_aid
-- step: for_free
select *, aid_weight - line_aid + free_out as free_weight, cast(sum(aid_weight - line_aid + free_out) over (
    partition by claim_id order by line_no rows between unbounded preceding and current row
  ) as bigint) as free_weight_sum
from after_aid
-- step: after_free
select *, case when free_base = 0 then 0 else
  free * free_weight_sum // free_base - free * (free_weight_sum - free_weight) // free_base end as line_free
from for_free
-- step: freed
-- Free treatment pays first what lies within the catalogue, then an uncounted share of class B, then the rest.
select *, least(line_free, aid_weight - line_aid) as free_in,
  least(line_free - least(line_free, aid_weight - line_aid), class_b - own_b) as free_b
from after_free
-- step: resident
select *, aid_weight - line_aid - free_in as resident_in,
  outside - (line_free - free_in - free_b) as self_outside,
  cover - line_basic - line_over as line_copayment
from freed
-- step: resident_1
select *, least(line_deductible, resident_in) as keep_deductible from resident
-- step: resident_2
select *, least(own_b, resident_in - keep_deductible) as keep_b from resident_1
-- step: resident_3
select *, least(line_copayment, resident_in - keep_deductible - keep_b) as keep_copayment from resident_2
-- step: divided
-- What is left to the resident within the catalogue is named by its first cause, in this order.
select
  claim_id, line_no, item, item_class, item_from, coalesce(self_share, 0) as self_share, charge, unpaid,
  line_basic as basic, line_serious as serious, line_aid as aid, line_free as free, self_outside,
  keep_deductible, keep_b + class_b - own_b - free_b as keep_b, keep_copayment,
  resident_in - keep_deductible - keep_b - keep_copayment as keep_over
from resident_3
