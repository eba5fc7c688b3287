-- Every contrast is about a published cell, with its counts, and its ratio follows from the shares.
SELECT contrasts.cluster_id, contrasts.language
FROM language_contrasts AS contrasts
LEFT JOIN cluster_cells AS cells
    ON cells.cluster_id = contrasts.cluster_id AND cells.dimension = 'language' AND cells.value = contrasts.language
WHERE coalesce(
    cells.users <> contrasts.users
    OR cells.conversations <> contrasts.conversations
    OR abs(cells.share - contrasts.share_in_cluster) > 1e-9
    OR abs(contrasts.share_in_cluster / contrasts.base_rate - contrasts.ratio) > 1e-9 * (1 + contrasts.ratio),
    true
)
