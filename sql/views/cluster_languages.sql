CREATE VIEW cluster_languages AS
SELECT
    clusters.cluster_id,
    clusters.level,
    clusters.name,
    cells.value AS language,
    cells.users,
    cells.conversations,
    cells.share,
    contrasts.base_rate,
    contrasts.ratio,
    contrasts.ci_low,
    contrasts.ci_high,
    contrasts.q_value
FROM cluster_cells AS cells
JOIN clusters ON clusters.cluster_id = cells.cluster_id
LEFT JOIN language_contrasts AS contrasts
    ON contrasts.cluster_id = cells.cluster_id AND contrasts.language = cells.value
WHERE cells.dimension = 'language'
ORDER BY clusters.level DESC, clusters.conversations DESC, clusters.cluster_id, cells.conversations DESC, language;

COMMENT ON VIEW cluster_languages IS 'Languages of each cluster, with how much more common each is there than in the whole release.';
COMMENT ON COLUMN cluster_languages.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN cluster_languages.level IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN cluster_languages.name IS 'Name of the cluster.';
COMMENT ON COLUMN cluster_languages.language IS 'ISO 639-1 code; und where undetermined; other for all languages withheld.';
COMMENT ON COLUMN cluster_languages.users IS 'Distinct users with the language in the cluster.';
COMMENT ON COLUMN cluster_languages.conversations IS 'Conversations with the language in the cluster.';
COMMENT ON COLUMN cluster_languages.share IS 'Share of the cluster''s conversations.';
COMMENT ON COLUMN cluster_languages.base_rate IS 'Share of the language in the whole release; null where not compared.';
COMMENT ON COLUMN cluster_languages.ratio IS 'share / base_rate.';
COMMENT ON COLUMN cluster_languages.ci_low IS 'Lower end of the 95 % interval of the ratio.';
COMMENT ON COLUMN cluster_languages.ci_high IS 'Upper end of the 95 % interval of the ratio.';
COMMENT ON COLUMN cluster_languages.q_value IS 'Smallest false-discovery rate at which the ratio is a finding, over the level.';
