"""Commands that know templates."""
