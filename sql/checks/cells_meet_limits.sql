-- Every published cell, `other` included, has enough users and conversations.
SELECT cluster_id, dimension, value
FROM cluster_cells
CROSS JOIN release_limits
WHERE coalesce(users < cell_min_users OR conversations < cell_min_conversations OR users > conversations, true)
