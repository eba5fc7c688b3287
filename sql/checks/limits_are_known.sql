-- The privacy report names every limit, and none is under the floor of 5 unless it says so.
SELECT *
FROM release_limits
WHERE min_users IS NULL OR min_conversations IS NULL OR cell_min_users IS NULL OR cell_min_conversations IS NULL
    OR max_user_share IS NULL OR unsafe_below_floor IS NULL
    OR (NOT unsafe_below_floor AND least(min_users, min_conversations, cell_min_users, cell_min_conversations) < 5)
