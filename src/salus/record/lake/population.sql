-- job: population
-- Residents alive at the end of a day, by district (six digits), age group and sex; each person once,
-- whatever number of sources report her. A person's birth is the earliest that a record gives in full.
-- input: patient (person_id varchar, sex varchar, birth_day date, death_day date, deceased boolean, district varchar)
-- param: on_day date
-- step: people
select
  person_id,
  min(case when sex in ('female', 'male') then sex end) as sex,
  min(birth_day) as born,
  min(death_day) as died,
  bool_or(coalesce(deceased, false)) as deceased,
  max(district) as district
from patient
where person_id is not null
group by person_id
-- step: living
select
  person_id,
  coalesce(sex, 'unknown') as sex,
  coalesce(left(district, 6), '') as district,
  date_sub('year', born, $on_day) as age
from people
where born is not null and born <= $on_day
  and case when died is not null then died > $on_day else not deceased end
-- step: counted
select
  district, sex,
  case when age < 15 then 0 when age < 45 then 15 when age < 60 then 45 when age < 75 then 60 else 75 end as age_from,
  count(*) as persons
from living
group by all
order by district, age_from, sex
