-- Every parent is a published cluster of a higher level.
SELECT child.cluster_id
FROM clusters AS child
LEFT JOIN clusters AS parent ON parent.cluster_id = child.parent_id
WHERE child.parent_id IS NOT NULL AND coalesce(parent.level <= child.level, true)
