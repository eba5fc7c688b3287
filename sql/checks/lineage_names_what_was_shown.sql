-- A cluster named as an earlier one was shown in an earlier release, and last under that name.
SELECT lineage.release, lineage.previous_id
FROM cluster_lineage AS lineage
LEFT JOIN cluster_lineage AS before
    ON before.cluster_id = lineage.previous_id AND before.release < lineage.release AND before.event <> 'merged'
WHERE lineage.previous_id IS NOT NULL
GROUP BY lineage.release, lineage.level, lineage.event, lineage.cluster_id, lineage.previous_id, lineage.previous_name
HAVING coalesce(arg_max(before.name, before.release) <> lineage.previous_name, true)
