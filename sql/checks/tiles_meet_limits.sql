-- Every published tile of the map has enough users and conversations.
SELECT zoom, tile_x, tile_y
FROM map_tiles
CROSS JOIN release_limits
WHERE coalesce(users < min_users OR conversations < min_conversations OR users > conversations, true)
