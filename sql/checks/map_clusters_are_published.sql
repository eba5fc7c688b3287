-- Every position on the map is that of a published cluster, at its level, on the grid, and on the map of the tiles.
SELECT places.cluster_id
FROM map_clusters AS places
LEFT JOIN clusters ON clusters.cluster_id = places.cluster_id
LEFT JOIN map_tiles AS whole ON whole.zoom = 0
WHERE coalesce(
    clusters.level <> places.level
    OR places.map <> whole.map
    OR places.x * 64 <> round(places.x * 64)
    OR places.y * 64 <> round(places.y * 64)
    OR places.spread * 64 <> round(places.spread * 64),
    true
)
