CREATE VIEW density_map AS
SELECT
    tile.map,
    tile.zoom,
    (tile.tile_x + 0.5) / 2 ** tile.zoom AS x,
    (tile.tile_y + 0.5) / 2 ** tile.zoom AS y,
    1 / 2 ** tile.zoom AS side,
    tile.users,
    tile.conversations,
    tile.conversations / whole.conversations AS share,
    tile.conversations / whole.conversations * 4 ** tile.zoom AS density
FROM map_tiles AS tile
JOIN map_tiles AS whole ON whole.zoom = 0
WHERE NOT EXISTS (
    FROM map_tiles AS part
    WHERE part.zoom = tile.zoom + 1 AND part.tile_x // 2 = tile.tile_x AND part.tile_y // 2 = tile.tile_y
)
ORDER BY density DESC, tile.zoom, tile.tile_x, tile.tile_y;

COMMENT ON VIEW density_map IS 'The map of use in its finest published tiles, which overlap nowhere and hold every conversation once; draw squares of the given side.';
COMMENT ON COLUMN density_map.map IS 'Ordinal of the map: releases of one map share coordinates.';
COMMENT ON COLUMN density_map.zoom IS 'Zoom of the tile: 0 is the whole map.';
COMMENT ON COLUMN density_map.x IS 'Centre of the tile from left to right; the map is 1 wide.';
COMMENT ON COLUMN density_map.y IS 'Centre of the tile from bottom to top; the map is 1 high.';
COMMENT ON COLUMN density_map.side IS 'Side of the tile.';
COMMENT ON COLUMN density_map.users IS 'Distinct users of the tile.';
COMMENT ON COLUMN density_map.conversations IS 'Conversations counted in the tile, those of thin places beside it included.';
COMMENT ON COLUMN density_map.share IS 'Share of all clustered conversations.';
COMMENT ON COLUMN density_map.density IS 'How many times as dense as the map on average.';
