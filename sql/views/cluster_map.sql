CREATE VIEW cluster_map AS
SELECT
    places.map,
    clusters.cluster_id,
    clusters.parent_id,
    clusters.level,
    clusters.name,
    places.x,
    places.y,
    places.spread,
    clusters.users,
    clusters.conversations,
    clusters.share
FROM map_clusters AS places
JOIN clusters ON clusters.cluster_id = places.cluster_id
ORDER BY clusters.level DESC, clusters.conversations DESC, clusters.cluster_id;

COMMENT ON VIEW cluster_map IS 'Where each published cluster stands on the map of use, with its name and size: labels for density_map.';
COMMENT ON COLUMN cluster_map.map IS 'Ordinal of the map: releases of one map share coordinates.';
COMMENT ON COLUMN cluster_map.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN cluster_map.parent_id IS 'Cluster that holds it; null at the top.';
COMMENT ON COLUMN cluster_map.level IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN cluster_map.name IS 'Name of the cluster.';
COMMENT ON COLUMN cluster_map.x IS 'Centre from left to right, in 64ths of the map''s side.';
COMMENT ON COLUMN cluster_map.y IS 'Centre from bottom to top, in 64ths of the map''s side.';
COMMENT ON COLUMN cluster_map.spread IS 'Distance of a typical user from the centre.';
COMMENT ON COLUMN cluster_map.users IS 'Distinct users of the cluster.';
COMMENT ON COLUMN cluster_map.conversations IS 'Conversations in the cluster.';
COMMENT ON COLUMN cluster_map.share IS 'Share of all clustered conversations.';
