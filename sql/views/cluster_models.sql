CREATE VIEW cluster_models AS
SELECT clusters.cluster_id, clusters.level, clusters.name, cells.value AS model, cells.users, cells.conversations, cells.share
FROM cluster_cells AS cells
JOIN clusters ON clusters.cluster_id = cells.cluster_id
WHERE cells.dimension = 'model'
ORDER BY clusters.level DESC, clusters.conversations DESC, clusters.cluster_id, cells.conversations DESC, model;

COMMENT ON VIEW cluster_models IS 'Models that answered in each cluster.';
COMMENT ON COLUMN cluster_models.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN cluster_models.level IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN cluster_models.name IS 'Name of the cluster.';
COMMENT ON COLUMN cluster_models.model IS 'Model as the source names it; unknown where it names none; other for all withheld.';
COMMENT ON COLUMN cluster_models.users IS 'Distinct users of the model in the cluster.';
COMMENT ON COLUMN cluster_models.conversations IS 'Conversations with the model in the cluster.';
COMMENT ON COLUMN cluster_models.share IS 'Share of the cluster''s conversations.';
