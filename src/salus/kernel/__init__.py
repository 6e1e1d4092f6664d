"""What every room stands on: accounts, policy, audit, registers, calendar, events, jobs, money, errors."""
