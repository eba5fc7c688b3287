-- Shares are those of the published counts.
SELECT cluster_id
FROM clusters
CROSS JOIN (SELECT sum(conversations) AS total FROM clusters WHERE parent_id IS NULL)
WHERE abs(share - conversations / total) > 1e-9
UNION ALL
SELECT cells.cluster_id
FROM cluster_cells AS cells
JOIN clusters ON clusters.cluster_id = cells.cluster_id
WHERE abs(cells.share - cells.conversations / clusters.conversations) > 1e-9
