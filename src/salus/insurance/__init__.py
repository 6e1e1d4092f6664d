"""The residents' medical insurance: from enrolment to settlement, procurement and service prices.

For insurance fund officers, institution managers, residents and the commission's planners. The engines
(`scheme`, `drg`, `dip`, `payment`, `eligibility`, `adjudication`, `review`, `tender`, `repricing`) are pure
and work on a user's own files; the rest keeps a city's insurance.

Words: *scheme*, the data of a grouping family (CHS-DRG, MS-DRG) or of an insurance plan, dated; *case*, one
discharge with its codes; *claim* and *claim line*, what an institution asks to be paid; *adjudication*, the
decision line by line who pays what and why; *accumulator*, what a resident has used up this year; *fund*, the
pooled money; *base rate*, the money of one unit of weight; *point value*, the money of one DIP point;
*tender*, centralised procurement of a medicine. All money is whole fen.
"""
