CREATE VIEW significant_contrasts AS
SELECT
    found.facet_a,
    coalesce(clusters.name, found.value_a) AS value_a,
    found.facet_b,
    found.value_b,
    CASE WHEN found.ratio > 1 THEN 'more' ELSE 'less' END AS together,
    found.ratio,
    found.ci_low,
    found.ci_high,
    found.q_value,
    found.share,
    found.base_rate,
    found.users,
    found.conversations,
    clusters.cluster_id
FROM facet_contrasts AS found
LEFT JOIN clusters ON found.facet_a = 'cluster' AND clusters.cluster_id = found.value_a
CROSS JOIN (
    SELECT max(value) AS rate FROM comparison_report WHERE scope = 'tests' AND measure = 'false_discovery_rate'
) AS limits
WHERE found.q_value <= limits.rate
ORDER BY found.facet_a, found.facet_b, abs(ln(found.ratio)) DESC, value_a, found.value_b;

COMMENT ON VIEW significant_contrasts IS 'Pairs of values that go together more or less than overall, strongest first; about one in twenty is expected to be chance.';
COMMENT ON COLUMN significant_contrasts.facet_a IS 'First facet.';
COMMENT ON COLUMN significant_contrasts.value_a IS 'Its value; the name of the cluster where the facet is cluster.';
COMMENT ON COLUMN significant_contrasts.facet_b IS 'Second facet.';
COMMENT ON COLUMN significant_contrasts.value_b IS 'Its value.';
COMMENT ON COLUMN significant_contrasts.together IS 'more or less often than overall.';
COMMENT ON COLUMN significant_contrasts.ratio IS 'How many times as common.';
COMMENT ON COLUMN significant_contrasts.ci_low IS 'Lower end of the 95 % interval.';
COMMENT ON COLUMN significant_contrasts.ci_high IS 'Upper end of the 95 % interval.';
COMMENT ON COLUMN significant_contrasts.q_value IS 'Smallest false-discovery rate at which it is a finding, over the whole table.';
COMMENT ON COLUMN significant_contrasts.share IS 'Share of value_b among conversations with value_a.';
COMMENT ON COLUMN significant_contrasts.base_rate IS 'Share of value_b among all conversations.';
COMMENT ON COLUMN significant_contrasts.users IS 'Distinct users with both values.';
COMMENT ON COLUMN significant_contrasts.conversations IS 'Conversations with both values.';
COMMENT ON COLUMN significant_contrasts.cluster_id IS 'Id of the cluster where facet_a is cluster, else null.';
