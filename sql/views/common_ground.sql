CREATE VIEW common_ground AS
WITH sides AS (
    SELECT variant, statement_id, text, voters, gac_agree, 'agree' AS side, agrees AS said FROM statement_consensus
    UNION ALL
    SELECT variant, statement_id, text, voters, gac_agree, 'disagree', disagrees FROM statement_consensus
),
tested AS (
    SELECT
        *,
        (said + 1) / (voters + 2) AS share,
        2 * sqrt(voters + 1) * ((said + 1) / (voters + 1) - 0.5) AS z_share
    FROM sides
)
SELECT
    side,
    row_number() OVER (PARTITION BY side ORDER BY share * z_share DESC, statement_id) AS place,
    variant,
    statement_id,
    text,
    voters,
    share,
    z_share,
    gac_agree
FROM tested
WHERE share > 0.5 AND z_share > 1.2816
QUALIFY place <= 5
ORDER BY side, place;

COMMENT ON VIEW common_ground IS 'What most participants surely agree, or disagree, with, whatever their group: at most five statements of each side.';
COMMENT ON COLUMN common_ground.side IS 'agree or disagree.';
COMMENT ON COLUMN common_ground.place IS 'Place on this side, 1 first: by share times its statistic.';
COMMENT ON COLUMN common_ground.variant IS 'Algorithm of the groups that gac_agree is over: polis or ccai.';
COMMENT ON COLUMN common_ground.statement_id IS 'Statement.';
COMMENT ON COLUMN common_ground.text IS 'What it says.';
COMMENT ON COLUMN common_ground.voters IS 'Participants who voted on it.';
COMMENT ON COLUMN common_ground.share IS 'Smoothed share of them that is of this side: (said + 1) / (voters + 2).';
COMMENT ON COLUMN common_ground.z_share IS 'Test statistic of the share against one half; listed above 1.2816, the one-sided 90 % point.';
COMMENT ON COLUMN common_ground.gac_agree IS 'Group-aware consensus: low where a group does not go along.';
