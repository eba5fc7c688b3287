-- What a suite covers is the clusters that it reaches, and these with the unpublished rest are all usage.
WITH reached AS (
    SELECT
        suite,
        count(*) AS clusters,
        count(*) FILTER (covered) AS covered,
        coalesce(sum(share) FILTER (covered), 0) AS share,
        count(*) FILTER (covered OR drafted > 0) AS covered_with_drafted,
        coalesce(sum(share) FILTER (covered OR drafted > 0), 0) AS share_with_drafted,
        sum(share) AS published,
        max(threshold) AS threshold
    FROM usage_reach
    GROUP BY suite
)
SELECT coalesce(told.suite, reached.suite) AS suite
FROM usage_coverage AS told
FULL JOIN reached ON reached.suite = told.suite
WHERE coalesce(
    abs(told.share - coalesce(reached.share, 0)) > 1e-9
    OR told.covered_clusters <> coalesce(reached.covered, 0)
    OR abs(told.share_with_drafted - coalesce(reached.share_with_drafted, 0)) > 1e-9
    OR told.covered_with_drafted <> coalesce(reached.covered_with_drafted, 0)
    OR (reached.clusters IS NOT NULL AND told.clusters <> reached.clusters)
    OR (reached.clusters IS NOT NULL AND abs(reached.published + told.unpublished - 1) > 1e-9)
    OR told.threshold IS DISTINCT FROM reached.threshold
    OR told.baseline IS NULL <> (told.covered_clusters = 0),
    true
)
