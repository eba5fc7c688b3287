-- No two children of one cluster share a name.
SELECT parent_id, lower(name) AS name
FROM clusters
GROUP BY parent_id, lower(name)
HAVING count(*) > 1
