"""Pool balance (池平衡): who came into the pools and who left, every day, by reason."""
