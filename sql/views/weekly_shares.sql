CREATE VIEW weekly_shares AS
SELECT
    clusters.cluster_id,
    clusters.level,
    clusters.name,
    weeks.week,
    weeks.users,
    weeks.conversations,
    weeks.conversations / clusters.conversations AS share_of_cluster,
    weeks.share_of_week,
    weeks.ci_low,
    weeks.ci_high
FROM cluster_weeks AS weeks
JOIN clusters ON clusters.cluster_id = weeks.cluster_id
ORDER BY clusters.level DESC, clusters.cluster_id, weeks.week;

COMMENT ON VIEW weekly_shares IS 'Clusters over time: conversations by week, for weeks that are shown.';
COMMENT ON COLUMN weekly_shares.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN weekly_shares.level IS 'Height in the tree: 0 is the finest level. Compare shares within one level.';
COMMENT ON COLUMN weekly_shares.name IS 'Name of the cluster.';
COMMENT ON COLUMN weekly_shares.week IS 'Monday of the week, UTC.';
COMMENT ON COLUMN weekly_shares.users IS 'Distinct users of the cluster in the week.';
COMMENT ON COLUMN weekly_shares.conversations IS 'Conversations of the cluster in the week.';
COMMENT ON COLUMN weekly_shares.share_of_cluster IS 'Share of the cluster''s conversations that fell in the week.';
COMMENT ON COLUMN weekly_shares.share_of_week IS 'Share of all clustered conversations of the week.';
COMMENT ON COLUMN weekly_shares.ci_low IS 'Lower end of the 95 % interval of share_of_week; users are the sample.';
COMMENT ON COLUMN weekly_shares.ci_high IS 'Upper end of the 95 % interval.';
