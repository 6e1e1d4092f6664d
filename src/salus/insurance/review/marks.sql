-- job: marks
-- What was billed on each claim, once each: medicines by molecule, services and consumables by item.
-- input: claim_lines (claim_id varchar, item varchar)
-- input: items (item varchar, what varchar, sort varchar)
-- step: marks
select distinct l.claim_id, coalesce(i.what, l.item) as what, coalesce(i.sort, 'service') as sort
from claim_lines l
left join items i on i.item = l.item
