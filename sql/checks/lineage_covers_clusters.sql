-- The newest release says one thing about each published cluster that is neither an Other nor the pool of the newest,
-- and names no other as its own.
WITH told AS (
    SELECT cluster_id, count(*) AS times
    FROM cluster_lineage
    WHERE event <> 'merged' AND cluster_id IS NOT NULL AND release = (SELECT max(release) FROM cluster_lineage)
    GROUP BY cluster_id
), named AS (
    SELECT cluster_id FROM clusters WHERE NOT starts_with(cluster_id, 'other-') AND cluster_id <> 'newest'
)
SELECT coalesce(told.cluster_id, named.cluster_id) AS cluster_id
FROM told
FULL JOIN named ON named.cluster_id = told.cluster_id
WHERE coalesce(told.times <> 1 OR named.cluster_id IS NULL, true) AND EXISTS (SELECT 1 FROM cluster_lineage)
