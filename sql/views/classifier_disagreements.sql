CREATE VIEW classifier_disagreements AS
SELECT
    clusters.cluster_id,
    clusters.level,
    clusters.name,
    found.quadrant,
    CASE found.quadrant
        WHEN 'over_trigger' THEN 'flagged more than overall, of less concern: candidate false alarms'
        ELSE 'of more concern than overall, flagged less: candidate misses'
    END AS meaning,
    found.share_concerning,
    found.concerning_ci_low,
    found.concerning_ci_high,
    found.share_flagged,
    found.flagged_ci_low,
    found.flagged_ci_high,
    found.users,
    found.conversations
FROM concern_quadrants AS found
JOIN clusters ON clusters.cluster_id = found.cluster_id
WHERE found.quadrant IN ('over_trigger', 'under_trigger')
ORDER BY clusters.level DESC, found.quadrant, clusters.conversations DESC, clusters.cluster_id;

COMMENT ON VIEW classifier_disagreements IS 'Clusters where the supplied flag and the concern score disagree, against the whole release.';
COMMENT ON COLUMN classifier_disagreements.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN classifier_disagreements.level IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN classifier_disagreements.name IS 'Name of the cluster.';
COMMENT ON COLUMN classifier_disagreements.quadrant IS 'over_trigger or under_trigger.';
COMMENT ON COLUMN classifier_disagreements.meaning IS 'What that means, in words.';
COMMENT ON COLUMN classifier_disagreements.share_concerning IS 'Share of elevated or high concern; null where partly withheld.';
COMMENT ON COLUMN classifier_disagreements.concerning_ci_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN classifier_disagreements.concerning_ci_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN classifier_disagreements.share_flagged IS 'Share that is flagged; null where it is withheld.';
COMMENT ON COLUMN classifier_disagreements.flagged_ci_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN classifier_disagreements.flagged_ci_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN classifier_disagreements.users IS 'Distinct users of the cluster.';
COMMENT ON COLUMN classifier_disagreements.conversations IS 'Conversations in the cluster.';
