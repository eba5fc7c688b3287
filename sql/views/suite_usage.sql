CREATE VIEW suite_usage AS
SELECT
    reach.suite,
    row_number() OVER (PARTITION BY reach.suite ORDER BY reach.share DESC, reach.seed_cluster_id) AS rank,
    seeds.name,
    round(100 * reach.share, 2) AS percent,
    round(100 * reach.share / sum(reach.share) OVER (PARTITION BY reach.suite), 2) AS percent_of_covered,
    reach.items,
    reach.drafted,
    round(reach.similarity, 3) AS similarity,
    round(reach.threshold, 3) AS threshold,
    seeds.users,
    seeds.conversations,
    seeds.concerning,
    seeds.summary,
    reach.seed_cluster_id
FROM usage_reach AS reach
LEFT JOIN usage_seeds AS seeds ON seeds.seed_cluster_id = reach.seed_cluster_id
WHERE reach.covered
ORDER BY reach.suite, rank;

COMMENT ON VIEW suite_usage IS 'Which of what people do each suite covers by items not drafted from usage, the most common first.';
COMMENT ON COLUMN suite_usage.suite IS 'Suite.';
COMMENT ON COLUMN suite_usage.rank IS 'Place among the clusters that the suite covers, by share of usage.';
COMMENT ON COLUMN suite_usage.name IS 'Name of the cluster.';
COMMENT ON COLUMN suite_usage.percent IS 'Per cent of all clustered conversations.';
COMMENT ON COLUMN suite_usage.percent_of_covered IS 'Per cent of the usage that the suite covers.';
COMMENT ON COLUMN suite_usage.items IS 'Items near the cluster that were not drafted from usage.';
COMMENT ON COLUMN suite_usage.drafted IS 'Items near it that were drafted from usage.';
COMMENT ON COLUMN suite_usage.similarity IS 'Cosine to the most similar item that was not drafted from usage.';
COMMENT ON COLUMN suite_usage.threshold IS 'Similarity from which an item counts as near.';
COMMENT ON COLUMN suite_usage.users IS 'Distinct users.';
COMMENT ON COLUMN suite_usage.conversations IS 'Conversations in the cluster.';
COMMENT ON COLUMN suite_usage.concerning IS 'Share of its conversations in the highest band of concern; null where withheld.';
COMMENT ON COLUMN suite_usage.summary IS 'What the conversations in the cluster are about.';
COMMENT ON COLUMN suite_usage.seed_cluster_id IS 'Id of the cluster.';
