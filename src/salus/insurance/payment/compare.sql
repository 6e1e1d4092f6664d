-- job: compare
-- Payment methods side by side: what the fund pays by item, by DRG, by DIP and with the pilot, for the city
-- and by institution, department, tier and insured group; and how many cases bring more than by item.
-- input: cases (id varchar, institution varchar, department varchar, tier varchar, insured varchar, charge bigint, fund bigint)
-- input: drg_paid (id varchar, fund_pay bigint)
-- input: dip_paid (id varchar, fund_pay bigint)
-- input: pilot_paid (id varchar, fund_pay bigint)
-- step: side_by_side
select
  c.institution, coalesce(c.department, '') as department, coalesce(c.tier, '') as tier, c.insured, c.charge,
  c.fund as item, d.fund_pay as drg, p.fund_pay as dip, coalesce(t.fund_pay, c.fund) as pilot,
  case when t.id is null then 0 else 1 end as in_pilot
from cases c
join drg_paid d on c.id = d.id
join dip_paid p on c.id = p.id
left join pilot_paid t on c.id = t.id
-- step: summed
select
  grouping(institution) as g_institution, grouping(department) as g_department, grouping(tier) as g_tier,
  grouping(insured) as g_insured,
  institution, department, tier, insured,
  count(*) as cases, cast(sum(in_pilot) as bigint) as pilot_cases, cast(sum(charge) as bigint) as charge,
  cast(sum(item) as bigint) as item, cast(sum(drg) as bigint) as drg, cast(sum(dip) as bigint) as dip,
  cast(sum(pilot) as bigint) as pilot,
  count(*) filter (where drg > item) as drg_gaining,
  count(*) filter (where dip > item) as dip_gaining
from side_by_side
group by grouping sets ((), (institution), (department), (tier), (insured), (institution, department), (institution, insured))
-- step: compared
select
  case
    when g_institution = 0 and g_department = 0 then 'institution_department'
    when g_institution = 0 and g_insured = 0 then 'institution_insured'
    when g_institution = 0 then 'institution'
    when g_department = 0 then 'department'
    when g_tier = 0 then 'tier'
    when g_insured = 0 then 'insured'
    else 'city' end as dimension,
  coalesce(institution, '') as institution, coalesce(department, '') as department, coalesce(tier, '') as tier,
  coalesce(insured, '') as insured, cases, pilot_cases,
  charge, item, drg,
  dip, pilot, drg_gaining, dip_gaining
from summed
-- step: listed
select * from compared order by dimension, institution, department, tier, insured
