"""What prevention sees of the synthetic city: notifiable diseases, planted outbreaks, the health programme.

Draws cases by season with what befell them (infection, onset, diagnosis, report), outbreaks of many sizes
and speeds, pregnancies with their visits, children's checks with weight and height, and the follow-up of
chronic patients with readings, some of them lost. All of it reaches the institutions' messages as visits,
diagnoses, results and measurements; who truly belongs to which outbreak is in the truth alone.

Words: an *outbreak* here is planted; a case's *onset* is the day of first symptoms, *diagnosed* the visit's,
*reported* the day on which an institution reports it; a *purpose* says why a visit of the programme was made.
"""
