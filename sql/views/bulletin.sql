CREATE VIEW bulletin AS
WITH overall AS (
    SELECT
        max(value) FILTER (scope = 'concern') AS concern,
        max(value) FILTER (scope = 'flag') AS flagged
    FROM comparison_report
    WHERE measure = 'share_overall'
),
items AS (
    SELECT
        direction AS kind,
        cluster_id,
        format('{:+.1f} % a week', 100 * (growth - 1)) AS headline,
        format(
            'share of the week changes by {:+.1f} % to {:+.1f} % a week over {} weeks, q = {:.2g}',
            100 * (ci_low - 1), 100 * (ci_high - 1), weeks, q_value
        ) AS why,
        abs(ln(growth)) * (weeks - 1) AS effect
    FROM cluster_trends
    WHERE direction <> 'undecided' AND last_week >= (SELECT max(week) FROM cluster_weeks) - INTERVAL 7 DAY
    UNION ALL
    SELECT
        'concerning',
        cluster_id,
        format('{:.1f} % of concern', 100 * share_concerning),
        format(
            '{:.1f} % to {:.1f} % are of elevated or high concern, {:.1f} % overall',
            100 * concerning_ci_low, 100 * concerning_ci_high, 100 * overall.concern
        ),
        ln(concerning_ci_low / overall.concern)
    FROM concern_quadrants
    CROSS JOIN overall
    WHERE concerning_ci_low >= 2 * overall.concern
    UNION ALL
    SELECT
        quadrant,
        cluster_id,
        CASE
            WHEN quadrant = 'over_trigger' AND share_flagged IS NOT NULL THEN format('{:.1f} % flagged', 100 * share_flagged)
            WHEN quadrant = 'over_trigger' THEN 'flagged more than overall'
            WHEN share_concerning IS NOT NULL THEN format('{:.1f} % of concern', 100 * share_concerning)
            ELSE 'of more concern than overall'
        END,
        CASE quadrant
            WHEN 'over_trigger' THEN 'flagged more than overall, of less concern: candidate false alarms'
            ELSE 'of more concern than overall, flagged less: candidate misses'
        END,
        coalesce(
            ln(CASE quadrant WHEN 'over_trigger' THEN share_flagged / overall.flagged ELSE share_concerning / overall.concern END),
            0
        )
    FROM concern_quadrants
    CROSS JOIN overall
    WHERE quadrant IN ('over_trigger', 'under_trigger')
    UNION ALL
    SELECT
        event,
        cluster_id,
        CASE event
            WHEN 'born' THEN 'new'
            WHEN 'revived' THEN 'back'
            ELSE format('quiet since {}', quiet_since)
        END,
        CASE event
            WHEN 'born' THEN 'shown for the first time in this release'
            WHEN 'revived' THEN 'in use again, or shown again, after a pause'
            ELSE 'shown, but its use has stopped'
        END,
        ln(2)
    FROM cluster_lineage
    WHERE event IN ('born', 'revived', 'dormant')
        AND release > 1
        AND release = (SELECT max(release) FROM cluster_lineage)
)
SELECT
    items.kind,
    clusters.cluster_id,
    clusters.level,
    clusters.name,
    items.headline,
    items.why,
    round(items.effect * log10(clusters.conversations), 3) AS importance,
    clusters.users,
    clusters.conversations
FROM items
JOIN clusters ON clusters.cluster_id = items.cluster_id
ORDER BY importance DESC, clusters.cluster_id, items.kind;

COMMENT ON VIEW bulletin IS 'What is new, growing, declining or concerning now, and where flags and concern disagree; most important first.';
COMMENT ON COLUMN bulletin.kind IS 'growing, declining, concerning, over_trigger, under_trigger, or as in cluster_lineage: born, revived, dormant.';
COMMENT ON COLUMN bulletin.cluster_id IS 'Id of the cluster.';
COMMENT ON COLUMN bulletin.level IS 'Height in the tree: 0 is the finest level.';
COMMENT ON COLUMN bulletin.name IS 'Name of the cluster.';
COMMENT ON COLUMN bulletin.headline IS 'The figure to read first.';
COMMENT ON COLUMN bulletin.why IS 'The interval or the comparison behind it.';
COMMENT ON COLUMN bulletin.importance IS 'Size of the effect (natural logarithm) times the decimal logarithm of the conversations; for order only.';
COMMENT ON COLUMN bulletin.users IS 'Distinct users of the cluster.';
COMMENT ON COLUMN bulletin.conversations IS 'Conversations in the cluster.';
