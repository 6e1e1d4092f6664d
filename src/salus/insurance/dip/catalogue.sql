-- job: catalogue
-- Groups from history: a diagnosis with all its procedures, where these have enough cases; of the rest a
-- diagnosis with its main procedure; of the rest mixed groups of a category and kind of treatment; then of a
-- chapter letter and kind. Each case counts in one group.
-- input: keyed (id varchar, dx4 varchar, dx3 varchar, dx1 varchar, ops varchar, main varchar, treatment varchar)
-- param: threshold bigint
-- step: whole
select 'core' as level, dx4 as dx, ops as treatment, count(*) as cases from keyed group by dx4, ops having count(*) >= $threshold
-- step: after_whole
select k.* from keyed k anti join whole w on k.dx4 = w.dx and k.ops = w.treatment
-- step: main_alone
select 'main' as level, dx4 as dx, main as treatment, count(*) as cases from after_whole
where main <> '-' group by dx4, main having count(*) >= $threshold
-- step: after_main
select k.* from after_whole k anti join main_alone m on k.dx4 = m.dx and k.main = m.treatment
-- step: mixed
select 'mixed' as level, dx3 as dx, treatment, count(*) as cases from after_main group by dx3, treatment having count(*) >= $threshold
-- step: after_mixed
select k.* from after_main k anti join mixed m on k.dx3 = m.dx and k.treatment = m.treatment
-- step: chapters
select 'chapter' as level, dx1 as dx, treatment, count(*) as cases from after_mixed group by dx1, treatment
-- step: groups
select level, dx, treatment, cases from whole
union all
select level, dx, treatment, cases from main_alone
union all
select level, dx, treatment, cases from mixed
union all
select level, dx, treatment, cases from chapters
-- step: named
select
  case level
    when 'core' then dx || ':' || treatment
    when 'main' then dx || ':' || treatment || '+'
    when 'mixed' then dx || '*:' || treatment
    else dx || '**:' || treatment end as dip,
  level, dx, treatment, cases
from groups order by dip
