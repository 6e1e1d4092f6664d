-- job: means
-- The mean charge of each group in each tier, of the cases within the group's bounds, in whole fen.
-- input: cases (drg varchar, tier varchar, charge bigint)
-- input: bounds (drg varchar, low bigint, high bigint)
-- param: tier_cases bigint
-- step: kept
select c.drg as dip, coalesce(c.tier, '') as tier, c.charge
from cases c join bounds b on c.drg = b.drg
where c.charge between b.low and b.high
-- step: tiers
select dip, tier, count(*) as cases, cast(sum(charge) as bigint) as charges from kept group by dip, tier
-- step: averages
select dip, tier, cases, cast((2 * charges + cases) // (2 * cases) as bigint) as mean
from tiers where cases >= $tier_cases order by dip, tier
