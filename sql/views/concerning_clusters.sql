CREATE VIEW concerning_clusters AS
SELECT
    clusters.cluster_id,
    clusters.level,
    clusters.name,
    sum(cells.share) FILTER (cells.value = 'high') AS share_high,
    sum(cells.share) FILTER (cells.value IN ('high', 'elevated')) AS share_elevated_or_high,
    coalesce(sum(cells.share) FILTER (cells.value = 'other'), 0) AS share_withheld,
    clusters.users,
    clusters.conversations
FROM cluster_cells AS cells
JOIN clusters ON clusters.cluster_id = cells.cluster_id
WHERE cells.dimension = 'concern_band'
GROUP BY clusters.cluster_id, clusters.level, clusters.name, clusters.users, clusters.conversations
HAVING share_elevated_or_high IS NOT NULL
ORDER BY clusters.level DESC, share_elevated_or_high DESC, clusters.cluster_id;

COMMENT ON VIEW concerning_clusters IS 'Clusters with a published share of concerning requests, most concerning first at each level. Shares are at least this large: withheld bands may hold more.';
COMMENT ON COLUMN concerning_clusters.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN concerning_clusters.level IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN concerning_clusters.name IS 'Name of the cluster.';
COMMENT ON COLUMN concerning_clusters.share_high IS 'Share in the highest band; null where withheld.';
COMMENT ON COLUMN concerning_clusters.share_elevated_or_high IS 'Share in the two highest bands, as far as shown.';
COMMENT ON COLUMN concerning_clusters.share_withheld IS 'Share whose band is withheld.';
COMMENT ON COLUMN concerning_clusters.users IS 'Distinct users of the cluster.';
COMMENT ON COLUMN concerning_clusters.conversations IS 'Conversations in the cluster.';
