-- Every published cluster has enough users and conversations.
SELECT cluster_id
FROM clusters
CROSS JOIN release_limits
WHERE coalesce(users < min_users OR conversations < min_conversations OR users > conversations, true)
