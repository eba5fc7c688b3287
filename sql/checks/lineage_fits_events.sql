-- Each event has the ids, names and shares that it is about, and no other.
SELECT release, event, cluster_id, previous_id
FROM cluster_lineage
WHERE NOT CASE event
        WHEN 'continued' THEN coalesce(cluster_id = previous_id, false)
        WHEN 'dormant' THEN coalesce(cluster_id = previous_id, false) AND quiet_since IS NOT NULL
        WHEN 'split' THEN coalesce(cluster_id <> previous_id, false)
        WHEN 'merged' THEN coalesce(cluster_id <> previous_id, false) AND quiet_since IS NULL
        WHEN 'died' THEN cluster_id IS NULL AND previous_id IS NOT NULL AND overlap IS NULL AND quiet_since IS NULL
        WHEN 'born' THEN cluster_id IS NOT NULL AND previous_id IS NULL AND overlap IS NULL
        WHEN 'revived' THEN cluster_id IS NOT NULL AND previous_id IS NULL AND overlap IS NULL
        ELSE false
    END
    OR (cluster_id IS NULL) <> (name IS NULL)
    OR (previous_id IS NULL) <> (previous_name IS NULL)
    OR (overlap IS NULL) <> (band IS NULL)
    OR (share_of_previous IS NULL) <> (band IS NULL)
    OR (share_of_cluster IS NULL) <> (band IS NULL)
