CREATE VIEW release_limits AS
SELECT
    max(value) FILTER (measure = 'min_users') AS min_users,
    max(value) FILTER (measure = 'min_conversations') AS min_conversations,
    max(value) FILTER (measure = 'cell_min_users') AS cell_min_users,
    max(value) FILTER (measure = 'cell_min_conversations') AS cell_min_conversations,
    max(value) FILTER (measure = 'max_user_share') AS max_user_share,
    max(value) FILTER (measure = 'unsafe_below_floor') > 0 AS unsafe_below_floor
FROM privacy_report
WHERE scope = 'thresholds';

COMMENT ON VIEW release_limits IS 'The limits of this release, in one row.';
COMMENT ON COLUMN release_limits.min_users IS 'Distinct users of a cluster at least.';
COMMENT ON COLUMN release_limits.min_conversations IS 'Conversations of a cluster at least.';
COMMENT ON COLUMN release_limits.cell_min_users IS 'Distinct users of a cell at least.';
COMMENT ON COLUMN release_limits.cell_min_conversations IS 'Conversations of a cell at least.';
COMMENT ON COLUMN release_limits.max_user_share IS 'Largest share of one user.';
COMMENT ON COLUMN release_limits.unsafe_below_floor IS 'Whether limits under the floor of 5 were allowed.';
