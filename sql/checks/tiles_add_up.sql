-- The whole map is all clustered conversations, and a tile's parts have its conversations together: nothing is left to subtract.
WITH tree AS (
    SELECT zoom, tile_x, tile_y, users, conversations FROM map_tiles
), parts AS (
    SELECT
        zoom - 1 AS zoom,
        tile_x // 2 AS tile_x,
        tile_y // 2 AS tile_y,
        sum(conversations) AS conversations,
        sum(users) AS people,
        max(users) AS most
    FROM tree
    WHERE zoom > 0
    GROUP BY ALL
)
SELECT parts.zoom, parts.tile_x, parts.tile_y
FROM parts
LEFT JOIN tree ON tree.zoom = parts.zoom AND tree.tile_x = parts.tile_x AND tree.tile_y = parts.tile_y
WHERE coalesce(tree.conversations <> parts.conversations OR parts.most > tree.users OR parts.people < tree.users, true)
UNION ALL
SELECT tree.zoom, tree.tile_x, tree.tile_y
FROM tree
CROSS JOIN (SELECT sum(conversations) AS total FROM clusters WHERE parent_id IS NULL)
WHERE tree.zoom = 0 AND coalesce(tree.conversations <> total, true)
