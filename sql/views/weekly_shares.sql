CREATE VIEW weekly_shares AS
SELECT
    clusters.cluster_id,
    clusters.level,
    clusters.name,
    try_cast(cells.value AS DATE) AS week,
    cells.users,
    cells.conversations,
    cells.share AS share_of_cluster,
    cells.conversations / sum(cells.conversations) OVER (PARTITION BY clusters.level, cells.value) AS share_of_week
FROM cluster_cells AS cells
JOIN clusters ON clusters.cluster_id = cells.cluster_id
WHERE cells.dimension = 'week' AND try_cast(cells.value AS DATE) IS NOT NULL
ORDER BY clusters.level DESC, clusters.cluster_id, week;

COMMENT ON VIEW weekly_shares IS 'Clusters over time: conversations by week, for weeks that are shown.';
COMMENT ON COLUMN weekly_shares.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN weekly_shares.level IS 'Height in the tree: 0 is the finest level. Compare shares within one level.';
COMMENT ON COLUMN weekly_shares.name IS 'Name of the cluster.';
COMMENT ON COLUMN weekly_shares.week IS 'Monday of the week, UTC.';
COMMENT ON COLUMN weekly_shares.users IS 'Distinct users of the cluster in the week.';
COMMENT ON COLUMN weekly_shares.conversations IS 'Conversations of the cluster in the week.';
COMMENT ON COLUMN weekly_shares.share_of_cluster IS 'Share of the cluster''s conversations that fell in the week.';
COMMENT ON COLUMN weekly_shares.share_of_week IS 'Share of the week''s conversations in shown cells of the level; too high where others are withheld.';
