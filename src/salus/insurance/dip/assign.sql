-- job: assign
-- The group of each case: the finest that the catalogue has for it; none where it has none.
-- input: keyed (id varchar, dx4 varchar, dx3 varchar, dx1 varchar, ops varchar, main varchar, treatment varchar)
-- input: catalogue (dip varchar, level varchar, dx varchar, treatment varchar)
-- step: assigned
select
  k.id, k.dx4, k.ops, k.main, k.treatment,
  coalesce(a.dip, b.dip, c.dip, d.dip) as dip,
  coalesce(a.level, b.level, c.level, d.level, 'none') as level
from keyed k
left join (select dip, level, dx, treatment from catalogue where level = 'core') a on k.dx4 = a.dx and k.ops = a.treatment
left join (select dip, level, dx, treatment from catalogue where level = 'main') b on k.dx4 = b.dx and k.main = b.treatment
left join (select dip, level, dx, treatment from catalogue where level = 'mixed') c on k.dx3 = c.dx and k.treatment = c.treatment
left join (select dip, level, dx, treatment from catalogue where level = 'chapter') d on k.dx1 = d.dx and k.treatment = d.treatment
