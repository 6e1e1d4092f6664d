"""What every room stands on: accounts, policy, audit chain, registers, calendar, events, jobs, money, errors."""
