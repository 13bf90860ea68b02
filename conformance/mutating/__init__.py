"""Mutation: the suite made from a document, run against servers of documents that have one fault each."""
