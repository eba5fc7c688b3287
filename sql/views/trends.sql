CREATE VIEW trends AS
SELECT
    clusters.cluster_id,
    clusters.level,
    clusters.name,
    found.direction,
    100 * (found.growth - 1) AS percent_per_week,
    100 * (found.ci_low - 1) AS percent_low,
    100 * (found.ci_high - 1) AS percent_high,
    found.q_value,
    found.q_value <= limits.rate AS significant,
    found.weeks,
    found.first_week,
    found.last_week,
    found.users,
    found.conversations
FROM cluster_trends AS found
JOIN clusters ON clusters.cluster_id = found.cluster_id
CROSS JOIN (
    SELECT max(value) AS rate FROM comparison_report WHERE scope = 'tests' AND measure = 'false_discovery_rate'
) AS limits
ORDER BY clusters.level DESC, found.q_value, clusters.cluster_id;

COMMENT ON VIEW trends IS 'Growth and decline of clusters as a share of the week, surest first at each level. Of the significant ones of a level about one in twenty is expected to be chance.';
COMMENT ON COLUMN trends.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN trends.level IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN trends.name IS 'Name of the cluster.';
COMMENT ON COLUMN trends.direction IS 'growing, declining or undecided.';
COMMENT ON COLUMN trends.percent_per_week IS 'Change of its share of the week from one week to the next, in per cent of itself.';
COMMENT ON COLUMN trends.percent_low IS 'Lower end of the 95 % interval.';
COMMENT ON COLUMN trends.percent_high IS 'Upper end of the 95 % interval.';
COMMENT ON COLUMN trends.q_value IS 'Smallest false-discovery rate at which it is a finding, over the clusters of the level.';
COMMENT ON COLUMN trends.significant IS 'Whether q_value is within the accepted rate.';
COMMENT ON COLUMN trends.weeks IS 'Weeks that are published for it.';
COMMENT ON COLUMN trends.first_week IS 'Monday of the first of them.';
COMMENT ON COLUMN trends.last_week IS 'Monday of the last of them.';
COMMENT ON COLUMN trends.users IS 'Distinct users of the cluster.';
COMMENT ON COLUMN trends.conversations IS 'Conversations of the cluster.';
