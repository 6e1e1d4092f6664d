"""Who may open which pages of the insurance; apart from the pages, so that registering loads no engine."""

SETTLEMENT = ("fund_officer", "manager", "planner", "auditor")
COMPARISON = ("fund_officer", "planner", "auditor")
EXPLORER = ("fund_officer", "manager", "planner")
