-- Every row of the comparisons has enough users and conversations, and a quadrant is of a published cluster.
SELECT cluster_id AS item
FROM cluster_weeks
CROSS JOIN release_limits
WHERE coalesce(users < cell_min_users OR conversations < cell_min_conversations OR users > conversations, true)
UNION ALL
SELECT value_a
FROM facet_contrasts
CROSS JOIN release_limits
WHERE coalesce(users < cell_min_users OR conversations < cell_min_conversations OR users > conversations, true)
UNION ALL
SELECT found.cluster_id
FROM concern_quadrants AS found
LEFT JOIN clusters ON clusters.cluster_id = found.cluster_id
WHERE coalesce(clusters.users <> found.users OR clusters.conversations <> found.conversations, true)
