-- step: ruled
select *, case ceiling when 'year' then year_ceiling_rule when 'quota' then quota_rule
    when 'stay' then stay_ceiling_rule end as ceiling_rule,
  case ceiling when 'year' then year_ceiling_version when 'quota' then quota_version
    when 'stay' then stay_ceiling_version end as ceiling_version
from settled
-- step: cut_sums
select
  claim_id, line_no, cast(sum(case when bearer = 'resident' then amount else 0 end) as bigint) as by_resident,
  cast(sum(case when bearer = 'resident' then 0 else amount end) as bigint) as by_institution
from cut_found
group by claim_id, line_no
-- step: out_lines
select
  d.claim_id, d.line_no, d.item, d.charge, d.basic, d.serious, d.aid, d.free,
  d.unpaid + d.keep_deductible + d.keep_b + d.keep_copayment + d.keep_over as self_in,
  d.self_outside + coalesce(c.by_resident, 0) as self_out, coalesce(c.by_institution, 0) as institution
from divided as d left join cut_sums as c on c.claim_id = d.claim_id and c.line_no = d.line_no
union all
select
  o.claim_id, o.line_no, l.item, o.charge, 0 as basic, 0 as serious, 0 as aid, 0 as free, 0 as self_in,
  case when o.effect = 'exclude' then o.charge else 0 end as self_out,
  case when o.effect = 'exclude' then 0 else o.charge end as institution
from lines_out as o
join (select claim_id, line_no, line_item as item from line_facts) as l
  on l.claim_id = o.claim_id and l.line_no = o.line_no
union all
select
  l.claim_id, l.line_no, l.item, coalesce(l.charge, 0) as charge, 0 as basic, 0 as serious, 0 as aid,
  0 as free, 0 as self_in, case when d.effect = 'self_pay' then coalesce(l.charge, 0) else 0 end as self_out,
  case when d.effect = 'self_pay' then 0 else coalesce(l.charge, 0) end as institution
from claim_lines as l join decided as d on d.claim_id = l.claim_id
-- step: line_sums
select
  claim_id, cast(sum(charge) as bigint) as charge, cast(sum(self_in) as bigint) as self_in,
  cast(sum(self_out) as bigint) as self_out, cast(sum(institution) as bigint) as institution
from (select l.* from out_lines as l semi join alive as a on a.claim_id = l.claim_id) as paid
group by claim_id
-- step: out_claims
select
  f.claim_id, f.person_id, f.year,
  case d.effect when 'return' then 'returned' when 'self_pay' then 'self_pay' when 'deny' then 'denied'
    else 'paid' end as outcome,
  o.claim_id is null as standing, f.cover_scheme as scheme, f.person_class as class, s.stay,
  case when d.effect is null then l.charge when d.effect = 'return' then coalesce(f.claim_charge, f.claim_line_sum)
    else f.claim_line_sum end as charge,
  coalesce(s.basic, 0) as basic, coalesce(s.serious, 0) as serious, coalesce(s.aid, 0) as aid,
  coalesce(s.free, 0) as free, coalesce(l.self_in, 0) as self_in,
  case when d.effect = 'self_pay' then f.claim_line_sum else coalesce(l.self_out, 0) end as self_out,
  case d.effect when 'return' then coalesce(f.claim_charge, f.claim_line_sum) when 'deny' then f.claim_line_sum
    else coalesce(l.institution, 0) end as institution,
  coalesce(s.eligible, 0) as eligible, coalesce(s.class_b, 0) as class_b,
  coalesce(s.deductible, 0) as deductible, coalesce(s.copayment, 0) as copayment,
  coalesce(s.over_ceiling, 0) as over_ceiling, s.rate, coalesce(s.serious_base, 0) as serious_base,
  case when s.rate is not null then s.deductible_rule end as deductible_rule,
  case when s.rate is not null then s.deductible_version end as deductible_version,
  s.rate_rule, s.rate_version, s.ceiling, s.ceiling_rule, s.ceiling_version,
  s.serious_rule, s.serious_version, s.aid_rule, s.aid_version, s.free_rule, s.free_version
from facts as f
left join decided as d on d.claim_id = f.claim_id
left join screened_out as o on o.claim_id = f.claim_id
left join ruled as s on s.claim_id = f.claim_id
left join line_sums as l on l.claim_id = f.claim_id
-- step: out_parts
select
  l.claim_id, l.line_no, case when d.effect = 'self_pay' then 'self_out' else 'institution' end as payer,
  l.charge as amount, d.code as reason, d.rule, d.version, d.params
from claim_lines as l join decided as d on d.claim_id = l.claim_id
where l.charge <> 0
union all
select
  claim_id, line_no, case when effect = 'exclude' then 'self_out' else 'institution' end as payer,
  charge as amount, code as reason, rule, version, params
from lines_out where charge <> 0
union all
select
  claim_id, line_no, case when bearer = 'resident' then 'self_out' else 'institution' end as payer, amount,
  code as reason, rule, version, params
from cut_found where amount <> 0
union all
select
  claim_id, line_no, 'self_out' as payer, self_outside as amount, 'class-c' as reason,
  'catalogue:' || item as rule,
  year(item_from) * 10000 + month(item_from) * 100 + day(item_from) as version, '' as params
from divided where self_outside <> 0
union all
select
  claim_id, line_no, 'self_in' as payer, keep_b as amount, 'class-b' as reason, 'catalogue:' || item as rule,
  year(item_from) * 10000 + month(item_from) * 100 + day(item_from) as version,
  'share=' || cast(self_share as varchar) as params
from divided where keep_b <> 0
union all
select
  d.claim_id, d.line_no, 'self_in' as payer, d.keep_deductible as amount, 'deductible' as reason,
  s.deductible_rule as rule, s.deductible_version as version,
  'deductible=' || cast(s.deductible as varchar) as params
from divided as d join ruled as s on s.claim_id = d.claim_id where d.keep_deductible <> 0
union all
select
  d.claim_id, d.line_no, 'self_in' as payer, d.keep_copayment as amount, 'co-payment' as reason,
  s.rate_rule as rule, s.rate_version as version, 'rate=' || cast(s.rate as varchar) as params
from divided as d join ruled as s on s.claim_id = d.claim_id where d.keep_copayment <> 0
union all
select
  d.claim_id, d.line_no, 'self_in' as payer, d.keep_over as amount, 'over-ceiling' as reason,
  s.ceiling_rule as rule, s.ceiling_version as version, 'ceiling=' || s.ceiling as params
from divided as d join ruled as s on s.claim_id = d.claim_id where d.keep_over <> 0
union all
select
  claim_id, line_no, 'self_in' as payer, unpaid as amount, 'no-benefit' as reason,
  cast(null as varchar) as rule, cast(null as bigint) as version, '' as params
from divided where unpaid <> 0
union all
select
  d.claim_id, d.line_no, 'basic' as payer, d.basic as amount, 'basic' as reason, s.rate_rule as rule,
  s.rate_version as version, 'rate=' || cast(s.rate as varchar) as params
from divided as d join ruled as s on s.claim_id = d.claim_id where d.basic <> 0
union all
select
  d.claim_id, d.line_no, 'serious' as payer, d.serious as amount, 'serious-illness' as reason,
  s.serious_rule as rule, s.serious_version as version, 'base=' || cast(s.serious_sum as varchar) as params
from divided as d join ruled as s on s.claim_id = d.claim_id where d.serious <> 0
union all
select
  d.claim_id, d.line_no, 'aid' as payer, d.aid as amount, 'medical-aid' as reason, s.aid_rule as rule,
  s.aid_version as version, 'class=' || s.class as params
from divided as d join ruled as s on s.claim_id = d.claim_id where d.aid <> 0
union all
select
  d.claim_id, d.line_no, 'free' as payer, d.free as amount, 'free-treatment' as reason, s.free_rule as rule,
  s.free_version as version, 'illness=' || s.illness as params
from divided as d join ruled as s on s.claim_id = d.claim_id where d.free <> 0
-- step: out_findings
select
  f.claim_id, cast(null as bigint) as line_no, f.code, f.effect, f.rule, f.version,
  case when d.rule is null then 0 else c.claim_line_sum end as amount, f.params
from claim_found as f
join facts as c on c.claim_id = f.claim_id
left join screened_out as d on d.claim_id = f.claim_id and d.rule = f.rule
union all
select
  f.claim_id, cast(null as bigint) as line_no, f.code, f.effect, f.rule, f.version,
  case when d.rule is null then 0 else c.claim_line_sum end as amount, f.params
from pair_found as f
join facts as c on c.claim_id = f.claim_id
left join paired_out as d on d.claim_id = f.claim_id and d.rule = f.rule
union all
select
  f.claim_id, cast(null as bigint) as line_no, f.code, f.effect, f.rule, f.version,
  case when d.rule is null then 0 else c.claim_line_sum end as amount, f.params
from counted as f
join facts as c on c.claim_id = f.claim_id
left join counted_out as d on d.claim_id = f.claim_id and d.rule = f.rule
where f.is_over
union all
select
  f.claim_id, f.line_no, f.code, f.effect, f.rule, f.version,
  case when d.rule is null and o.rule is null then 0 else coalesce(f.charge, 0) end as amount, f.params
from line_found as f
left join screened_out as d on d.claim_id = f.claim_id and d.rule = f.rule
left join line_out as o on o.claim_id = f.claim_id and o.line_no = f.line_no and o.rule = f.rule
union all
select claim_id, line_no, code, effect, rule, version,
  case when effect = 'flag' then 0 else charge end as amount, params
from same_found
union all
select claim_id, line_no, code, effect, rule, version,
  case when effect = 'flag' then 0 else charge end as amount, params
from exclusive_found
union all
select claim_id, line_no, code, effect, rule, version,
  case when effect = 'flag' then 0 else charge end as amount, params
from bundle_found
union all
select claim_id, line_no, code, effect, rule, version, amount, params from cut_found
-- step: out_events
select claim_id, person_id, year, 'stays' as account, scheme as key, 1 as amount
from ruled where kind = 'inpatient'
union all
select claim_id, person_id, year, 'deductible' as account, scheme || ':' || kind as key, deductible as amount
from ruled where year_deductible is not null and deductible <> 0
union all
select claim_id, person_id, year, 'quota' as account, quota_key as key, quota_pay as amount
from ruled where quota_key is not null and quota_pay <> 0
union all
select claim_id, person_id, year, 'basic' as account, scheme as key, basic as amount from ruled where basic <> 0
union all
select claim_id, person_id, year, 'serious' as account, scheme as key, serious_base as amount
from ruled where serious_base <> 0
union all
select claim_id, person_id, year, 'aid' as account, '' as key, aid_base as amount from ruled where aid_base <> 0
union all
select claim_id, person_id, year, 'free' as account, illness as key, free as amount from ruled where free <> 0
union all
select
  claim_id, person_id, year, 'units' as account, item as key, cast(sum(year_units) as bigint) as amount
from of_year where max_year is not null
group by claim_id, person_id, year, item
having sum(year_units) <> 0
union all
select claim_id, person_id, year, 'count' as account, rule as key, 1 as amount
from counted where not is_over or effect = 'flag'
