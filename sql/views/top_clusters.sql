CREATE VIEW top_clusters AS
SELECT
    top.name,
    top.conversations,
    top.users,
    round(100 * top.share, 1) AS percent,
    top.summary,
    count(child.cluster_id) AS children,
    top.cluster_id
FROM clusters AS top
LEFT JOIN clusters AS child ON child.parent_id = top.cluster_id
WHERE top.parent_id IS NULL
GROUP BY ALL
ORDER BY top.conversations DESC, top.cluster_id;

COMMENT ON VIEW top_clusters IS 'The coarsest picture: clusters at the top of the tree, largest first.';
COMMENT ON COLUMN top_clusters.name IS 'Short name.';
COMMENT ON COLUMN top_clusters.conversations IS 'Conversations in the cluster.';
COMMENT ON COLUMN top_clusters.users IS 'Distinct users.';
COMMENT ON COLUMN top_clusters.percent IS 'Per cent of all clustered conversations.';
COMMENT ON COLUMN top_clusters.summary IS 'What the conversations in the cluster are about.';
COMMENT ON COLUMN top_clusters.children IS 'Published clusters directly below, one named Other included.';
COMMENT ON COLUMN top_clusters.cluster_id IS 'Id of the cluster.';
