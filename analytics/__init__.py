"""What the facts in crm mean: events, funnels, reports. Reads crm; crm never reads it."""
