"""Templates: declared, versioned, and chosen and rendered for sends."""
