-- job: check
-- What is wrong with the rows of a table of cases: a row for each fault, with the row's number.
-- input: cases (row bigint, id varchar, institution varchar, insured varchar, discharged date, los bigint, charge bigint, fund bigint, drg varchar, dx varchar[])
-- param: needs_drg bigint
-- param: needs_dx bigint
-- step: repeated
select id from cases where id is not null group by id having count(*) > 1
-- step: faults
select row, id, 'case-id-missing' as code, 'id' as field from cases where id is null or id = ''
union all
select c.row, c.id, 'case-repeated' as code, 'id' as field from cases c semi join repeated r on c.id = r.id
union all
select row, id, 'case-institution-missing' as code, 'institution' as field from cases where institution is null or institution = ''
union all
select row, id, 'case-insured-unknown' as code, 'insured' as field from cases where insured is null or insured not in ('resident', 'employee')
union all
select row, id, 'case-discharged-missing' as code, 'discharged' as field from cases where discharged is null
union all
select row, id, 'case-stay-length' as code, 'los' as field from cases where los is null or los < 0 or los > 3650
union all
select row, id, 'case-charge' as code, 'charge' as field from cases where charge is null or charge <= 0 or charge > 1000000000000
union all
select row, id, 'case-fund-share' as code, 'fund' as field from cases where fund is null or fund < 0 or fund > charge
union all
select row, id, 'case-group-missing' as code, 'drg' as field from cases where $needs_drg = 1 and (drg is null or drg = '')
union all
select row, id, 'case-diagnosis-missing' as code, 'dx' as field from cases where $needs_dx = 1 and (dx is null or len(dx) = 0 or coalesce(dx[1], '') = '')
-- step: listed
select row, id, code, field from faults order by row, code
