"""The room of Clio (arXiv 2412.13678): how people use AI, as clusters that hide every person.

Assets: facets, embeddings, concerns, cluster_assignments, cluster_centroids, cluster_nodes and what is
released of them. Pure modules: `facets`, `model_facets` and `reader` (what each conversation is about, without a model and
by one)."""
