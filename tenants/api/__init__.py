"""The API of tenants: who a key is, and what its tenant has decided."""
