"""`handfast lint`: what a careful reviewer would find in a document. One rule: one code, one function, one page."""
