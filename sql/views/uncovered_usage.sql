CREATE VIEW uncovered_usage AS
WITH nearest AS (
    SELECT
        seed_cluster_id,
        bool_or(covered) AS covered,
        sum(drafted) AS drafted,
        arg_max(suite, similarity) AS nearest_suite,
        max(similarity) AS similarity,
        arg_max(threshold, similarity) AS threshold
    FROM usage_reach
    GROUP BY seed_cluster_id
)
SELECT
    row_number() OVER (ORDER BY seeds.weight DESC, seeds.seed_cluster_id) AS rank,
    seeds.name,
    round(100 * seeds.weight, 2) AS percent,
    seeds.users,
    seeds.conversations,
    seeds.concerning,
    coalesce(nearest.drafted, 0)::UBIGINT AS drafted,
    nearest.nearest_suite,
    round(nearest.similarity, 3) AS similarity,
    round(nearest.threshold, 3) AS threshold,
    seeds.summary,
    seeds.seed_cluster_id
FROM usage_seeds AS seeds
LEFT JOIN nearest ON nearest.seed_cluster_id = seeds.seed_cluster_id
WHERE NOT coalesce(nearest.covered, false)
ORDER BY rank;

COMMENT ON VIEW uncovered_usage IS 'What people do most that no suite covers by an item that was not drafted from usage, the most common first; clusters named Other are not listed.';
COMMENT ON COLUMN uncovered_usage.rank IS 'Place among what is not covered, by share of usage.';
COMMENT ON COLUMN uncovered_usage.name IS 'Name of the cluster.';
COMMENT ON COLUMN uncovered_usage.percent IS 'Per cent of all clustered conversations.';
COMMENT ON COLUMN uncovered_usage.users IS 'Distinct users.';
COMMENT ON COLUMN uncovered_usage.conversations IS 'Conversations in the cluster.';
COMMENT ON COLUMN uncovered_usage.concerning IS 'Share of its conversations in the highest band of concern; null where withheld.';
COMMENT ON COLUMN uncovered_usage.drafted IS 'Items near it, of all suites, that were drafted from usage; they do not count as covering it.';
COMMENT ON COLUMN uncovered_usage.nearest_suite IS 'Suite with the most similar item that was not drafted from usage; null where no suite has one with a topic.';
COMMENT ON COLUMN uncovered_usage.similarity IS 'Cosine to that item.';
COMMENT ON COLUMN uncovered_usage.threshold IS 'Similarity from which an item of that suite would count as near.';
COMMENT ON COLUMN uncovered_usage.summary IS 'What the conversations in the cluster are about.';
COMMENT ON COLUMN uncovered_usage.seed_cluster_id IS 'Id of the cluster.';
