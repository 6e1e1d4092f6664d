-- job: timeliness
-- How long each source's data take to arrive: days from what happened to its version in the record, by
-- table, source and month of arrival; rows without a full date of what happened are counted apart.
-- input: events (table_name varchar, source varchar, arrived bigint, happened_on date)
-- param: zone bigint
-- step: dated
select
  table_name, source,
  date '1970-01-01' + cast((arrived + $zone) // 86400000000 as integer) as arrived_on,
  happened_on
from events
-- step: delays
select
  table_name, source, date_trunc('month', arrived_on) as month,
  case when happened_on is null then null else date_diff('day', happened_on, arrived_on) end as days
from dated
-- step: months
select
  table_name, source, month, count(*) as versions, count(days) as dated,
  median(days) as median_days,
  quantile_cont(days, 0.9) as ninth_decile_days,
  count(case when days <= 1 then 1 end) as within_a_day,
  count(case when days < 0 then 1 end) as in_the_future
from delays
group by all
order by table_name, source, month
