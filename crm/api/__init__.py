"""The door for other systems: orders, customers and events in, by token, with idempotency keys."""
