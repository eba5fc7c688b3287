-- The cells of a cluster in one dimension have the cluster's conversations together.
SELECT cells.cluster_id, cells.dimension
FROM cluster_cells AS cells
LEFT JOIN clusters ON clusters.cluster_id = cells.cluster_id
GROUP BY cells.cluster_id, cells.dimension, clusters.conversations, clusters.users
HAVING coalesce(sum(cells.conversations) <> clusters.conversations, true)
    OR coalesce(max(cells.users) > clusters.users, true)
    OR sum(cells.users) < clusters.users
