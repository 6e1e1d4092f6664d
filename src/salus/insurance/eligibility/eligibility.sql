-- job: eligibility
-- Whether each person asked about is covered on the day for the service at the institution, and why.
-- A spell is a paid period of one scheme. Who pays late, or after a break longer than the grace, waits; the
-- wait carries on into the spells that follow. Rules are tables: `tables.py` says what they hold.
-- input: asked (ask_id bigint, person_id varchar, day date, service varchar, institution varchar)
-- input: spells (person_id varchar, scheme varchar, category varchar, area varchar, start_date date, end_date date, paid_on date, repair_years bigint)
-- input: statuses (person_id varchar, status varchar, start_date date, end_date date)
-- input: filings (person_id varchar, area varchar, start_date date, end_date date)
-- input: contracts (institution varchar, area varchar, service varchar, start_date date, end_date date)
-- input: waiting_rules (rule varchar, scheme varchar, category varchar, start_date date, end_date date, in_time_days bigint, grace_months bigint, first_months bigint, late_months bigint, broken_months bigint, year_months bigint, many_years bigint, many_months bigint, carries boolean)
-- input: service_rules (rule varchar, scheme varchar, category varchar, service varchar, start_date date, end_date date, least_months bigint)
-- input: status_rules (status varchar, rank bigint, waives boolean)
-- step: held
select p.person_id, p.status, p.start_date, coalesce(p.end_date, date '9999-12-31') as end_date, r.rank, r.waives
from statuses p
join status_rules r on r.status = p.status
where exists (select 1 from asked a where a.person_id = p.person_id)
-- step: ruled
select
  s.person_id, s.scheme, s.category, s.area, s.start_date, s.end_date, s.repair_years, r.rule,
  r.grace_months, r.first_months, r.late_months, r.broken_months, r.year_months, r.many_years,
  r.many_months, r.carries,
  s.paid_on > s.start_date + cast(r.in_time_days as integer) as late,
  case when s.paid_on > s.start_date + cast(r.in_time_days as integer)
    then greatest(s.start_date, s.paid_on) else s.start_date end as entry,
  row_number() over (
    partition by s.person_id
    order by s.start_date, s.end_date, s.paid_on, s.scheme, s.category, s.area, s.repair_years
  ) as n
from spells s
join waiting_rules r on r.scheme = s.scheme and r.category = s.category
  and s.start_date between r.start_date and coalesce(r.end_date, date '9999-12-31')
where exists (select 1 from asked a where a.person_id = s.person_id)
-- step: followed
select u.*, max(u.end_date) over (
  partition by u.person_id order by u.n rows between unbounded preceding and 1 preceding
) as before_end
from ruled u
-- step: gaps
select
  f.*,
  f.before_end is not null and f.entry > f.before_end + 1
    and date_sub('month', f.before_end + 1, f.entry - 1) >= f.grace_months as broken,
  case when f.before_end is not null and f.entry > f.before_end + 1
    then date_sub('year', f.before_end + 1, f.entry) else 0 end as years,
  exists (
    select 1 from held h
    where h.person_id = f.person_id and h.waives and f.entry between h.start_date and h.end_date
  ) as waived
from followed f
-- step: waits
select
  g.*,
  case
    when g.waived then 0
    when g.broken and g.years >= g.many_years
      then greatest(g.many_months,
        g.broken_months + greatest(g.years * g.year_months - g.repair_years * g.year_months, 0))
    when g.broken
      then g.broken_months + greatest(g.years * g.year_months - g.repair_years * g.year_months, 0)
    when g.before_end is null and g.late then greatest(g.first_months, g.late_months)
    when g.before_end is null then g.first_months
    when g.late then g.late_months
    else 0
  end as months
from gaps g
-- step: months
select
  w.*,
  year(w.entry) * 12 + month(w.entry) - 1 + w.months as target,
  sum(case when w.broken then 1 else 0 end) over (
    partition by w.person_id order by w.n rows between unbounded preceding and current row
  ) as run
from waits w
-- step: ends
select
  m.*,
  case when m.months = 0 then m.entry else
    least(
      make_date(m.target // 12, m.target % 12 + 1, 1) + cast(day(m.entry) - 1 as integer),
      last_day(make_date(m.target // 12, m.target % 12 + 1, 1))
    )
  end as own_wait
from months m
-- step: spans
select
  e.person_id, e.scheme, e.category, e.area, e.start_date, e.end_date, e.entry, e.rule, e.n,
  case
    when e.waived or not e.carries then e.own_wait
    else greatest(e.entry, max(e.own_wait) over (
      partition by e.person_id order by e.n rows between unbounded preceding and current row))
  end as entitled_from,
  min(e.start_date) over (partition by e.person_id, e.run) as continuous_from
from ends e
-- step: standing
select
  a.ask_id,
  min(h.rank) as rank,
  string_agg(h.status, ' ' order by h.rank, h.status) as statuses,
  bool_or(h.waives) as waives
from asked a
join held h on h.person_id = a.person_id and a.day between h.start_date and h.end_date
group by a.ask_id
-- step: places
select
  a.ask_id, s.scheme, s.category, s.area, s.start_date, s.end_date, s.entry, s.rule, s.entitled_from,
  s.continuous_from, a.day < s.entry as unpaid,
  a.day >= s.entry and a.day < s.entitled_from and not coalesce(t.waives, false) as waiting,
  row_number() over (
    partition by a.ask_id
    order by
      case when a.day >= s.entry and (a.day >= s.entitled_from or coalesce(t.waives, false)) then 0 else 1 end,
      s.scheme, s.n desc
  ) as choice
from asked a
join spans s on s.person_id = a.person_id and a.day between s.start_date and s.end_date
left join standing t on t.ask_id = a.ask_id
-- step: chosen
select * from places where choice = 1
-- step: earlier
select a.ask_id, count(*) as spells
from asked a
join spans s on s.person_id = a.person_id and s.end_date < a.day
group by a.ask_id
-- step: contracted
select
  a.ask_id,
  bool_or(c.area = p.area) as here,
  bool_or(a.service = 'emergency' or exists (
    select 1 from filings f
    where f.person_id = a.person_id and f.area = c.area
      and a.day between f.start_date and coalesce(f.end_date, date '9999-12-31')
  )) as filed
from asked a
join chosen p on p.ask_id = a.ask_id
join contracts c on c.institution = a.institution and c.service = a.service
  and a.day between c.start_date and coalesce(c.end_date, date '9999-12-31')
group by a.ask_id
-- step: offered
select a.ask_id, v.rule, v.least_months, date_sub('month', p.continuous_from, a.day) as months
from asked a
join chosen p on p.ask_id = a.ask_id
join service_rules v on v.scheme = p.scheme and v.category = p.category and v.service = a.service
  and a.day between v.start_date and coalesce(v.end_date, date '9999-12-31')
-- step: reasons
select
  a.ask_id, p.scheme, p.category, p.area, p.entitled_from, p.end_date, p.rule as waiting_rule,
  o.rule as service_rule, coalesce(t.statuses, '') as statuses,
  coalesce(not c.here and c.filed, false) as away,
  case
    when p.ask_id is null and e.ask_id is null then 'not-enrolled'
    when p.ask_id is null then 'lapsed'
    when p.unpaid then 'unpaid'
    when p.waiting then 'waiting'
    when o.ask_id is null then 'service-not-covered'
    when o.months < o.least_months then 'too-few-months'
    when c.ask_id is null then 'not-contracted'
    when not c.here and not c.filed then 'other-area'
    else 'covered'
  end as reason
from asked a
left join chosen p on p.ask_id = a.ask_id
left join earlier e on e.ask_id = a.ask_id
left join standing t on t.ask_id = a.ask_id
left join contracted c on c.ask_id = a.ask_id
left join offered o on o.ask_id = a.ask_id
-- step: answers
select
  ask_id, reason = 'covered' as covered, reason, scheme, category, area, statuses,
  case when reason = 'covered' then entitled_from end as entitled_from,
  case when reason = 'covered' then end_date end as entitled_to,
  case when reason = 'waiting' then entitled_from end as waiting_until,
  reason = 'covered' and away as away,
  case
    when reason in ('unpaid', 'waiting') then waiting_rule
    when reason in ('covered', 'too-few-months', 'not-contracted', 'other-area') then service_rule
    else ''
  end as rule
from reasons
order by ask_id
