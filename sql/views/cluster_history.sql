CREATE VIEW cluster_history AS
SELECT
    release,
    level,
    event,
    coalesce(name, previous_name) AS name,
    CASE event
        WHEN 'born' THEN name || ' is shown for the first time'
        WHEN 'continued' THEN CASE WHEN name = previous_name THEN name || ' goes on' ELSE previous_name || ' goes on as ' || name END
        WHEN 'split' THEN name || ' split off ' || previous_name
        WHEN 'dormant' THEN name || ' is hardly used any more, since the week of ' || quiet_since
        WHEN 'revived' THEN name || ' is back'
        WHEN 'merged' THEN previous_name || ' merged into ' || name
        WHEN 'died' THEN previous_name || ' is no longer shown'
    END AS story,
    overlap,
    quiet_since,
    cluster_id,
    previous_id
FROM cluster_lineage
ORDER BY release DESC, level DESC, event = 'continued', event, name, cluster_id, previous_id;

COMMENT ON VIEW cluster_history IS 'What became of each cluster, newest release first, as a sentence; what merely goes on comes last.';
COMMENT ON COLUMN cluster_history.release IS 'Ordinal of the clustering, 1 for the first.';
COMMENT ON COLUMN cluster_history.level IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN cluster_history.event IS 'born, continued, split, dormant, revived, merged or died.';
COMMENT ON COLUMN cluster_history.name IS 'Name in that release; of a cluster that is gone, its last one.';
COMMENT ON COLUMN cluster_history.story IS 'The event in words.';
COMMENT ON COLUMN cluster_history.overlap IS 'Share of the members of both that both have, in steps; null where too few tell or nothing is compared.';
COMMENT ON COLUMN cluster_history.quiet_since IS 'Monday of the week since when the cluster is hardly used any more; null where it is used.';
COMMENT ON COLUMN cluster_history.cluster_id IS 'Id of the cluster; where one merged, of the receiver; null where it died.';
COMMENT ON COLUMN cluster_history.previous_id IS 'Id of the cluster that it continues, split off or was.';
