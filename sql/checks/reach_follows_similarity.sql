-- A cluster is covered where items of no draft are near it, which is where its similarity to one passes the threshold.
SELECT suite, seed_cluster_id
FROM usage_reach
WHERE covered <> (items > 0)
    OR similarity IS NOT NULL AND threshold IS NULL
    OR coalesce(similarity >= threshold, false) <> covered
UNION ALL
SELECT suite, NULL
FROM usage_reach
GROUP BY suite
HAVING min(threshold) IS DISTINCT FROM max(threshold) OR count(threshold) NOT IN (0, count(*))
