CREATE VIEW bulletin AS
WITH overall AS (
    SELECT
        max(value) FILTER (scope = 'concern') AS concern,
        max(value) FILTER (scope = 'flag') AS flagged
    FROM comparison_report
    WHERE measure = 'share_overall'
),
span AS (
    SELECT
        max(week) AS newest,
        CASE
            WHEN max(week) IS NULL THEN 'of all conversations, of no known week,'
            ELSE format('of all conversations from the week of {} to that of {},', min(week), max(week))
        END AS whole
    FROM cluster_weeks
),
standing AS (
    SELECT
        concern_quadrants.*,
        newest.conversations AS lately,
        concat(
            format('{} conversations in the week of {}; ', newest.conversations, newest.week),
            span.whole
        ) AS lead
    FROM concern_quadrants
    CROSS JOIN span
    LEFT JOIN (
        SELECT
            cluster_id,
            max(week) AS week,
            arg_max(conversations, week) AS conversations
        FROM cluster_weeks
        GROUP BY cluster_id
    ) AS newest ON newest.cluster_id = concern_quadrants.cluster_id
    WHERE span.newest IS NULL OR newest.week >= span.newest - INTERVAL 7 DAY
),
burst_figures AS (
    SELECT
        max(value) FILTER (measure = 'bursts') AS bursts,
        max(value) FILTER (measure = 'conversations') AS conversations,
        max(value) FILTER (measure = 'users') AS users
    FROM comparison_report
    WHERE scope = 'bursts'
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
        abs(ln(growth)) * (weeks - 1) AS effect,
        NULL AS lately
    FROM cluster_trends
    WHERE direction <> 'undecided' AND last_week >= (SELECT max(week) FROM cluster_weeks) - INTERVAL 7 DAY
    UNION ALL
    SELECT
        'concerning',
        cluster_id,
        format('{:.1f} % of concern', 100 * share_concerning),
        format(
            '{} {:.1f} % to {:.1f} % are of elevated or high concern, {:.1f} % overall',
            lead, 100 * concerning_ci_low, 100 * concerning_ci_high, 100 * overall.concern
        ),
        ln(concerning_ci_low / overall.concern),
        lately
    FROM standing
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
        concat(
            lead,
            CASE quadrant
                WHEN 'over_trigger' THEN ' flagged more than overall, of less concern: candidate false alarms'
                ELSE ' of more concern than overall, flagged less: candidate misses'
            END
        ),
        coalesce(
            ln(CASE quadrant WHEN 'over_trigger' THEN share_flagged / overall.flagged ELSE share_concerning / overall.concern END),
            0
        ),
        lately
    FROM standing
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
        ln(2),
        NULL
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
    round(items.effect * log10(coalesce(items.lately, clusters.conversations)), 3) AS importance,
    clusters.users,
    clusters.conversations
FROM items
JOIN clusters ON clusters.cluster_id = items.cluster_id
UNION ALL
SELECT
    'bursts',
    NULL,
    NULL,
    'Near-identical requests by many users',
    format('{:.0f} bursts', bursts),
    concat(span.whole, format(' {:.0f} by {:.0f} users are near-identical and came far faster than usual: possible campaigns', conversations, users)),
    round(ln(2) * log10(conversations), 3),
    users::UINTEGER,
    conversations::UINTEGER
FROM burst_figures
CROSS JOIN span
WHERE bursts > 0
ORDER BY importance DESC, cluster_id, kind;

COMMENT ON VIEW bulletin IS 'What is new, growing or declining now, where concern is high or disagrees with flags among the clusters shown in the newest two weeks, and how many bursts there are; most important first.';
COMMENT ON COLUMN bulletin.kind IS 'growing, declining, concerning, over_trigger, under_trigger, bursts, or as in cluster_lineage: born, revived, dormant.';
COMMENT ON COLUMN bulletin.cluster_id IS 'Id of the cluster; null for bursts, of which only the number is published.';
COMMENT ON COLUMN bulletin.level IS 'Height in the tree: 0 is the finest level; null for bursts.';
COMMENT ON COLUMN bulletin.name IS 'Name of the cluster, or what bursts are.';
COMMENT ON COLUMN bulletin.headline IS 'The figure to read first.';
COMMENT ON COLUMN bulletin.why IS 'The interval or the comparison behind it, with the weeks that it is about: concern, flags and bursts are not published by week.';
COMMENT ON COLUMN bulletin.importance IS 'Size of the effect (natural logarithm) times the decimal logarithm of the conversations, of the newest shown week for concern and flags; for order only.';
COMMENT ON COLUMN bulletin.users IS 'Distinct users of the cluster, or in all bursts.';
COMMENT ON COLUMN bulletin.conversations IS 'Conversations in the cluster, or in all bursts.';
