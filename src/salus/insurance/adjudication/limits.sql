-- step: line_ruled
select f.claim_id, f.line_no, f.charge, f.rule, f.version, f.code, f.effect, f.params, f.rank
from line_found as f semi join alive as a on a.claim_id = f.claim_id
where f.effect <> 'return'
-- step: line_out
select claim_id, line_no, charge, rule, version, code, effect, params
from line_ruled where effect <> 'flag'
qualify row_number() over (partition by claim_id, line_no order by rank) = 1
-- step: open_lines
select
  l.claim_id, l.line_no, l.day, a.person_id, a.year, a.discharged, l.line_item as item, l.item_kind,
  l.item_class, l.item_from, l.self_share, l.line_charge as charge, l.line_quantity as quantity,
  l.line_unit_price as unit_price, l.line_service_date as service_date,
  coalesce(l.line_department, '') as department, l.exclusive_group, l.bundle, l.max_day, l.max_stay, l.ceiling
from line_facts as l
join alive as a on a.claim_id = l.claim_id
anti join line_out as o on o.claim_id = l.claim_id and o.line_no = l.line_no
-- step: alike
select
  claim_id, item, service_date, quantity, unit_price, department, min(line_no) as first_line
from open_lines
group by claim_id, item, service_date, quantity, unit_price, department
having count(*) > 1
-- step: same_found
select l.claim_id, l.line_no, l.charge, e.rule, e.version, e.code, e.effect, e.params
from open_lines as l
join alike as s
  on s.claim_id = l.claim_id and s.item = l.item and s.service_date = l.service_date
  and s.quantity = l.quantity and s.unit_price = l.unit_price and s.department = l.department
join edits as e on e.kind = 'duplicate_line' and l.day between e.valid_from and e.valid_to
where l.line_no > s.first_line
-- step: grouped
select
  l.claim_id, l.line_no, l.day, l.item, l.charge,
  first_value(l.item) over (
    partition by l.claim_id, l.service_date, l.exclusive_group order by l.charge desc, l.line_no
    rows between unbounded preceding and current row
  ) as kept
from open_lines as l
anti join (select claim_id, line_no from same_found where effect <> 'flag') as o
  on o.claim_id = l.claim_id and o.line_no = l.line_no
where l.exclusive_group is not null
-- step: exclusive_found
select l.claim_id, l.line_no, l.charge, e.rule, e.version, e.code, e.effect, e.params
from grouped as l
join edits as e on e.kind = 'exclusive' and l.day between e.valid_from and e.valid_to
where l.item <> l.kept
-- step: twice_out
select claim_id, line_no from same_found where effect <> 'flag'
union all
select claim_id, line_no from exclusive_found where effect <> 'flag'
-- step: parents
select distinct l.claim_id, l.service_date, l.item
from open_lines as l
semi join (select distinct bundle from catalogue where bundle is not null) as c on c.bundle = l.item
anti join twice_out as o on o.claim_id = l.claim_id and o.line_no = l.line_no
-- step: bundle_found
select l.claim_id, l.line_no, l.charge, e.rule, e.version, e.code, e.effect, e.params
from open_lines as l
join parents as p on p.claim_id = l.claim_id and p.service_date = l.service_date and p.item = l.bundle
join edits as e on e.kind = 'bundle' and l.day between e.valid_from and e.valid_to
anti join twice_out as o on o.claim_id = l.claim_id and o.line_no = l.line_no
where l.item <> l.bundle
-- step: lines_out
select claim_id, line_no, charge, rule, version, code, effect, params from line_out
union all
select claim_id, line_no, charge, rule, version, code, effect, params from same_found where effect <> 'flag'
union all
select claim_id, line_no, charge, rule, version, code, effect, params from exclusive_found where effect <> 'flag'
union all
select claim_id, line_no, charge, rule, version, code, effect, params from bundle_found where effect <> 'flag'
-- step: paying
select l.* from open_lines as l anti join lines_out as o on o.claim_id = l.claim_id and o.line_no = l.line_no
-- step: price_found
select
  l.claim_id, l.line_no, e.rule, e.version, e.code, e.effect, e.bearer, e.params,
  greatest(l.charge - (l.ceiling * l.quantity + 500) // 1000, 0) as over
from paying as l
join edits as e on e.kind = 'price_' || l.item_kind and l.day between e.valid_from and e.valid_to
where l.unit_price > l.ceiling
-- step: years
select distinct year from alive
-- step: year_limits
select y.year, c.item, cast(c.max_year * 1000 as bigint) as max_year
from years as y
join listed as c on c.valid_from <= make_date(y.year, 12, 31) and c.valid_to >= make_date(y.year, 1, 1)
qualify row_number() over (partition by y.year, c.item order by c.valid_from) = 1
-- step: limits
-- How many units a line may be paid for: each limit is a running sum that stops at the limit.
select
  l.claim_id, l.line_no, l.person_id, l.year, l.discharged, l.item, l.service_date, l.quantity,
  case when d.effect is not null then l.max_day end as max_day, d.effect = 'cut' as cuts_day,
  case when s.effect is not null then max(l.max_stay) over (partition by l.claim_id, l.item) end as max_stay,
  s.effect = 'cut' as cuts_stay,
  case when y.effect is not null then c.max_year end as max_year, y.effect = 'cut' as cuts_year,
  coalesce(b.amount, 0) as used
from paying as l
left join year_limits as c on c.item = l.item and c.year = l.year
left join balances as b
  on b.person_id = l.person_id and b.year = l.year and b.account = 'units' and b.key = l.item
left join edits as d on d.kind = 'limit_day' and l.day between d.valid_from and d.valid_to
left join edits as s on s.kind = 'limit_stay' and l.day between s.valid_from and s.valid_to
left join edits as y on y.kind = 'limit_year' and make_date(l.year, 1, 1) between y.valid_from and y.valid_to
semi join (
  select distinct item from catalogue
  where max_day is not null or max_stay is not null or max_year is not null
) as m on m.item = l.item
-- step: by_day
select *, cast(sum(quantity) over (
  partition by claim_id, item, service_date order by line_no rows between unbounded preceding and current row
) as bigint) as day_sum
from limits
-- step: of_day
select *, case when cuts_day and max_day is not null
  then least(max_day, day_sum) - least(max_day, day_sum - quantity) else quantity end as day_units
from by_day
-- step: by_stay
select *, cast(sum(day_units) over (
  partition by claim_id, item order by line_no rows between unbounded preceding and current row
) as bigint) as stay_sum
from of_day
-- step: of_stay
select *, case when cuts_stay and max_stay is not null
  then least(max_stay, stay_sum) - least(max_stay, stay_sum - day_units) else day_units end as stay_units
from by_stay
-- step: by_year
select *, used + cast(sum(stay_units) over (
  partition by person_id, year, item order by discharged, claim_id, line_no
  rows between unbounded preceding and current row
) as bigint) as year_sum
from of_stay
-- step: of_year
select *, case when cuts_year and max_year is not null
  then least(greatest(max_year, used), year_sum) - least(greatest(max_year, used), year_sum - stay_units)
  else stay_units end as year_units
from by_year
-- step: payable
select
  l.claim_id, l.line_no, l.item, l.item_class, l.item_from, l.self_share, l.charge, l.quantity,
  case when p.effect = 'cut' then p.over else 0 end as price_cut,
  l.charge - case when p.effect = 'cut' then p.over else 0 end as asked,
  coalesce(u.day_units, l.quantity) as day_units, coalesce(u.stay_units, l.quantity) as stay_units,
  coalesce(u.year_units, l.quantity) as year_units
from paying as l
left join price_found as p on p.claim_id = l.claim_id and p.line_no = l.line_no
left join of_year as u on u.claim_id = l.claim_id and u.line_no = l.line_no
-- step: cut_lines
select
  claim_id, line_no, item, item_class, item_from, self_share, charge, price_cut, asked,
  (asked * day_units + quantity // 2) // quantity as day_amount,
  (asked * stay_units + quantity // 2) // quantity as stay_amount,
  (asked * year_units + quantity // 2) // quantity as amount
from payable
-- step: cut_found
select p.claim_id, p.line_no, p.rule, p.version, p.code, p.effect, p.bearer, p.params,
  case when p.effect = 'cut' then p.over else 0 end as amount
from price_found as p
union all
select u.claim_id, u.line_no, e.rule, e.version, e.code, e.effect, e.bearer, e.params,
  c.asked - c.day_amount as amount
from of_year as u
join cut_lines as c on c.claim_id = u.claim_id and c.line_no = u.line_no
join alive as a on a.claim_id = u.claim_id
join edits as e on e.kind = 'limit_day' and a.day between e.valid_from and e.valid_to
where u.day_sum > u.max_day
union all
select u.claim_id, u.line_no, e.rule, e.version, e.code, e.effect, e.bearer, e.params,
  c.day_amount - c.stay_amount as amount
from of_year as u
join cut_lines as c on c.claim_id = u.claim_id and c.line_no = u.line_no
join alive as a on a.claim_id = u.claim_id
join edits as e on e.kind = 'limit_stay' and a.day between e.valid_from and e.valid_to
where u.stay_sum > u.max_stay
union all
select u.claim_id, u.line_no, e.rule, e.version, e.code, e.effect, e.bearer, e.params,
  c.stay_amount - c.amount as amount
from of_year as u
join cut_lines as c on c.claim_id = u.claim_id and c.line_no = u.line_no
join edits as e on e.kind = 'limit_year' and make_date(u.year, 1, 1) between e.valid_from and e.valid_to
where u.year_sum > u.max_year
