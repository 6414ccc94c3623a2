"""`/v1/providers` and `/v1/drivers`: a tenant's accounts, and what accounts there can be."""
