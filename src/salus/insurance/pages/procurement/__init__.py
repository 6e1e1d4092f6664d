"""The tender room: tenders with their timelines, demand, bidders, decisions, supply and savings."""
