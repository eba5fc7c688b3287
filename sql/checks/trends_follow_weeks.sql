-- Every week is a published cell, and every trend is of a published cluster with its counts and its direction.
SELECT weeks.cluster_id
FROM cluster_weeks AS weeks
LEFT JOIN cluster_cells AS cells
    ON cells.cluster_id = weeks.cluster_id AND cells.dimension = 'week' AND cells.value = strftime(weeks.week, '%Y-%m-%d')
WHERE coalesce(cells.users <> weeks.users OR cells.conversations <> weeks.conversations, true)
UNION ALL
SELECT found.cluster_id
FROM cluster_trends AS found
LEFT JOIN clusters ON clusters.cluster_id = found.cluster_id
WHERE coalesce(
    clusters.users <> found.users
    OR clusters.conversations <> found.conversations
    OR (found.q_value <= 0.05) <> (found.direction <> 'undecided')
    OR (found.direction = 'growing' AND found.growth < 1)
    OR (found.direction = 'declining' AND found.growth > 1),
    true
)
