-- job: keys
-- What each case is grouped by: the principal diagnosis at four and three characters, the set of procedures
-- that tell groups apart, the main one of them, and the kind of treatment.
-- input: cases (id varchar, dx varchar[], pr varchar[])
-- input: kinds (prefix varchar, kind varchar)
-- input: telling (kind varchar)
-- step: diagnoses
select id, left(replace(dx[1], '.', ''), 4) as dx4, left(dx[1], 3) as dx3, left(dx[1], 1) as dx1 from cases
-- step: told
select id, pr[1] as main, unnest(pr) as given from cases where pr is not null and len(pr) > 0
-- step: procedures
select distinct id, split_part(given, 'x', 1) as code, given = main as is_main from told where given <> ''
-- step: kinds_of
select p.id, p.code, p.is_main, coalesce(e.kind, d.kind, c.kind, 'none') as kind
from procedures p
left join kinds c on left(p.code, 2) = c.prefix
left join kinds d on left(p.code, 4) = d.prefix
left join kinds e on left(p.code, 5) = e.prefix
-- step: codes
select id, code, kind, bool_or(is_main) as is_main from kinds_of group by id, code, kind
-- step: attributes
select
  id,
  case
    when bool_or(kind = 'surgery') then 'surgery'
    when bool_or(kind = 'therapeutic') then 'therapeutic'
    when bool_or(kind = 'diagnostic') then 'diagnostic'
    else 'conservative' end as treatment
from codes group by id
-- step: ranked
select
  c.id, c.code,
  row_number() over (
    partition by c.id
    order by
      case when c.is_main then 0 else 1 end,
      case c.kind when 'surgery' then 0 when 'therapeutic' then 1 else 2 end,
      c.code
  ) as place
from codes c semi join telling t on c.kind = t.kind
-- step: sets
select id, string_agg(code, '/' order by code) as ops, max(case when place = 1 then code end) as main from ranked group by id
-- step: keyed
select
  d.id,
  case when length(d.dx4) = 4 then left(d.dx4, 3) || '.' || right(d.dx4, 1) else d.dx4 end as dx4,
  d.dx3, d.dx1,
  coalesce(s.ops, '-') as ops, coalesce(s.main, '-') as main, coalesce(a.treatment, 'conservative') as treatment
from diagnoses d left join sets s on d.id = s.id left join attributes a on d.id = a.id
