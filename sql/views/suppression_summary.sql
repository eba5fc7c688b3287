CREATE VIEW suppression_summary AS
SELECT
    replace(scope, 'level ', '')::UTINYINT AS level,
    max(value) FILTER (measure = 'clusters_considered') AS clusters_considered,
    max(value) FILTER (measure = 'clusters_published') AS clusters_published,
    max(value) FILTER (measure = 'other_published') AS others_published,
    sum(value) FILTER (measure LIKE 'clusters_withheld_%') AS clusters_withheld,
    max(value) FILTER (measure = 'conversations_unnamed') AS conversations_unnamed,
    max(value) FILTER (measure = 'conversations_unnamed') / any_value(total.conversations) AS share_unnamed
FROM privacy_report
CROSS JOIN (SELECT value AS conversations FROM privacy_report WHERE scope = 'release' AND measure = 'conversations') AS total
WHERE scope LIKE 'level %'
GROUP BY scope
ORDER BY level DESC;

COMMENT ON VIEW suppression_summary IS 'What is shown and what is withheld at each level of the tree; reasons are in privacy_report.';
COMMENT ON COLUMN suppression_summary.level IS 'Level: 0 is the finest.';
COMMENT ON COLUMN suppression_summary.clusters_considered IS 'Clusters found.';
COMMENT ON COLUMN suppression_summary.clusters_published IS 'Clusters published under their own name.';
COMMENT ON COLUMN suppression_summary.others_published IS 'Clusters named Other, each of two or more merged ones.';
COMMENT ON COLUMN suppression_summary.clusters_withheld IS 'Clusters merged or not shown.';
COMMENT ON COLUMN suppression_summary.conversations_unnamed IS 'Conversations in no named cluster of the level.';
COMMENT ON COLUMN suppression_summary.share_unnamed IS 'Their share of all clustered conversations.';
