CREATE VIEW cluster_tree AS
WITH RECURSIVE walk AS (
    SELECT cluster_id, 0 AS depth, [name] AS names, [lpad((1e12 - conversations)::BIGINT::VARCHAR, 12, '0') || cluster_id] AS place
    FROM clusters
    WHERE parent_id IS NULL
    UNION ALL
    SELECT
        child.cluster_id,
        walk.depth + 1,
        list_append(walk.names, child.name),
        list_append(walk.place, lpad((1e12 - child.conversations)::BIGINT::VARCHAR, 12, '0') || child.cluster_id)
    FROM walk
    JOIN clusters AS child ON child.parent_id = walk.cluster_id
)
SELECT
    clusters.cluster_id,
    clusters.parent_id,
    clusters.level,
    walk.depth::UTINYINT AS depth,
    array_to_string(walk.names, ' > ') AS path,
    clusters.name,
    clusters.summary,
    clusters.users,
    clusters.conversations,
    clusters.share,
    clusters.share / coalesce(parent.share, 1) AS share_of_parent
FROM walk
JOIN clusters ON clusters.cluster_id = walk.cluster_id
LEFT JOIN clusters AS parent ON parent.cluster_id = clusters.parent_id
ORDER BY walk.place;

COMMENT ON VIEW cluster_tree IS 'All published clusters in the order of the tree: every cluster is followed by its children, larger ones first.';
COMMENT ON COLUMN cluster_tree.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN cluster_tree.parent_id IS 'Cluster that holds it; null at the top.';
COMMENT ON COLUMN cluster_tree.level IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN cluster_tree.depth IS 'Steps from the top: 0 is a top cluster.';
COMMENT ON COLUMN cluster_tree.path IS 'Names from the top down to the cluster.';
COMMENT ON COLUMN cluster_tree.name IS 'Short name.';
COMMENT ON COLUMN cluster_tree.summary IS 'What the conversations in the cluster are about.';
COMMENT ON COLUMN cluster_tree.users IS 'Distinct users; children may share users.';
COMMENT ON COLUMN cluster_tree.conversations IS 'Conversations in the cluster.';
COMMENT ON COLUMN cluster_tree.share IS 'Share of all clustered conversations.';
COMMENT ON COLUMN cluster_tree.share_of_parent IS 'Share of the parent''s conversations; at the top, of all.';
