-- A value shown for a cluster is shown for its parent, or the parent's rest would give others away.
SELECT cells.cluster_id, cells.dimension, cells.value
FROM cluster_cells AS cells
JOIN clusters ON clusters.cluster_id = cells.cluster_id
LEFT JOIN cluster_cells AS above
    ON above.cluster_id = clusters.parent_id AND above.dimension = cells.dimension AND above.value = cells.value
WHERE clusters.parent_id IS NOT NULL
    AND cells.value <> 'other'
    AND coalesce(above.conversations < cells.conversations OR above.users < cells.users, true)
