-- job: anonymity
-- Groups of persons who cannot be told apart by sex, years of birth and district: the finest group that
-- has $k persons, of five years and district, ten years and district, ten years and city, twenty and city.
-- Who is in none has no level and is to be left out. Source: L. Sweeney, k-anonymity: a model for
-- protecting privacy, IJUFKS 10 (2002).
-- input: people (person varchar, sex varchar, birth_year bigint, oldest bigint, district varchar, city varchar)
-- param: k bigint
-- param: oldest_year bigint
-- step: shown
select
  person, sex, oldest, district, city,
  case when oldest = 1 then null else birth_year - birth_year % 5 end as five,
  case when oldest = 1 then null else birth_year - birth_year % 10 end as ten,
  case when oldest = 1 then null else birth_year - birth_year % 20 end as twenty
from people
-- step: first_try
select s.*, count(*) over (partition by sex, oldest, five, district) as size from shown s
-- step: second_try
select person, sex, oldest, ten, twenty, district, city,
  count(*) over (partition by sex, oldest, ten, district) as size
from first_try where size < $k
-- step: third_try
select person, sex, oldest, ten, twenty, city, count(*) over (partition by sex, oldest, ten, city) as size
from second_try where size < $k
-- step: fourth_try
select person, sex, oldest, twenty, city, count(*) over (partition by sex, oldest, twenty, city) as size
from third_try where size < $k
-- step: grouped
select person, cast(0 as bigint) as level, sex, five as born_from,
  case when oldest = 1 then $oldest_year else five + 4 end as born_to, district
from first_try where size >= $k
union all
select person, cast(1 as bigint) as level, sex, ten as born_from,
  case when oldest = 1 then $oldest_year else ten + 9 end as born_to, district
from second_try where size >= $k
union all
select person, cast(2 as bigint) as level, sex, ten as born_from,
  case when oldest = 1 then $oldest_year else ten + 9 end as born_to, city as district
from third_try where size >= $k
union all
select person, cast(3 as bigint) as level, sex, twenty as born_from,
  case when oldest = 1 then $oldest_year else twenty + 19 end as born_to, city as district
from fourth_try where size >= $k
union all
select person, cast(null as bigint) as level, sex, cast(null as bigint) as born_from,
  cast(null as bigint) as born_to, cast(null as varchar) as district
from fourth_try where size < $k
