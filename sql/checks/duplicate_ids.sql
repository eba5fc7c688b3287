-- Ids are unique.
SELECT cluster_id FROM clusters GROUP BY cluster_id HAVING count(*) > 1
UNION ALL
SELECT cluster_id FROM cluster_cells GROUP BY cluster_id, dimension, value HAVING count(*) > 1
UNION ALL
SELECT cluster_id FROM language_contrasts GROUP BY cluster_id, language HAVING count(*) > 1
