CREATE VIEW language_specialities AS
SELECT language, cluster_id, level, name, share, base_rate, ratio, ci_low, ci_high, q_value, users, conversations
FROM cluster_languages
WHERE ratio > 1 AND q_value <= 0.05
ORDER BY language, ci_low DESC, cluster_id;

COMMENT ON VIEW language_specialities IS 'Clusters that are more common in a language than elsewhere, surest first in effect; about one in twenty is expected to be chance.';
COMMENT ON COLUMN language_specialities.language IS 'ISO 639-1 code.';
COMMENT ON COLUMN language_specialities.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN language_specialities.level IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN language_specialities.name IS 'Name of the cluster.';
COMMENT ON COLUMN language_specialities.share IS 'Share of the language in the cluster.';
COMMENT ON COLUMN language_specialities.base_rate IS 'Share of the language in the whole release.';
COMMENT ON COLUMN language_specialities.ratio IS 'share / base_rate.';
COMMENT ON COLUMN language_specialities.ci_low IS 'Lower end of the 95 % interval.';
COMMENT ON COLUMN language_specialities.ci_high IS 'Upper end of the 95 % interval.';
COMMENT ON COLUMN language_specialities.q_value IS 'Smallest false-discovery rate at which it is a finding; at most 0.05 here.';
COMMENT ON COLUMN language_specialities.users IS 'Distinct users with the language in the cluster.';
COMMENT ON COLUMN language_specialities.conversations IS 'Conversations with the language in the cluster.';
